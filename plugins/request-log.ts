import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** One line for each answered request. Routes that are polled every few seconds raise their `logLevel`. */
async function requestLogPlugin(app: FastifyInstance) {
  app.addHook('onResponse', (request, reply, done) => {
    const { method, client } = request
    const url = withoutTicket(request.url)
    const ms = Math.round(reply.elapsedTime * 10) / 10
    const fields = { method, url, status: reply.statusCode, ms, client }
    if (reply.statusCode >= 500) request.log.warn(fields, 'request answered')
    else request.log.info(fields, 'request answered')
    done()
  })
}

/** A ticket gives whoever reads it access to a task. */
function withoutTicket(url: string): string {
  // The router takes what comes after a `#` for a query, too.
  const start = url.search(/[?#]/) + 1
  if (start === 0) return url
  const pairs = url
    .slice(start)
    .split('&')
    // Decoded like the router does, so that a ticket cannot hide behind an escape.
    .map((pair) => (new URLSearchParams(pair).has('ticket') ? 'ticket=…' : pair))
  return url.slice(0, start) + pairs.join('&')
}

export default fp(requestLogPlugin, { name: 'request-log', fastify: '5.x' })
