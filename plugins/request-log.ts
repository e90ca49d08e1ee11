import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** One line a request, when it has been answered; routes that are asked every few seconds raise their `logLevel`. */
async function requestLogPlugin(app: FastifyInstance) {
  app.addHook('onResponse', (request, reply, done) => {
    const { method, url } = request
    const fields = { method, url, status: reply.statusCode, ms: Math.round(reply.elapsedTime * 10) / 10 }
    if (reply.statusCode >= 500) request.log.warn(fields, 'request answered')
    else request.log.info(fields, 'request answered')
    done()
  })
}

export default fp(requestLogPlugin, { name: 'request-log', fastify: '5.x' })
