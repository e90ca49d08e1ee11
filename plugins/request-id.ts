import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'

const requestIdForm = /^[A-Za-z0-9._:-]{1,128}$/
// https://www.w3.org/TR/trace-context/#traceparent-header
const traceparentForm = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller's trace, if it sent a valid one. */
    readonly traceparent: string | undefined
  }
}

function traceparentOf({ headers }: { headers: IncomingMessage['headers'] }): string | undefined {
  const { traceparent } = headers
  return typeof traceparent === 'string' && traceparentForm.test(traceparent) ? traceparent : undefined
}

/** Fastify's options that take a request's id from the client or generate it, and add it to each of its log lines. */
export const requestIdOptions = {
  genReqId: ({ headers }) => {
    const id = headers['x-request-id']
    return typeof id === 'string' && requestIdForm.test(id) ? id : randomUUID()
  },
  childLoggerFactory: (logger, bindings, options, request) => {
    const traceparent = traceparentOf(request)
    return logger.child(traceparent === undefined ? bindings : { ...bindings, traceparent }, options)
  }
} satisfies FastifyServerOptions

/** Answers each request with its id. */
async function requestIdPlugin(app: FastifyInstance) {
  app.decorateRequest('traceparent', {
    getter() {
      return traceparentOf(this)
    }
  })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
}

export default fp(requestIdPlugin, { name: 'request-id', fastify: '5.x' })
