import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Lets pages of CORS_ORIGINS call the routes of the scope that it is registered in. */
async function corsPlugin(app: FastifyInstance) {
  const { CORS_ORIGINS } = app.config
  if (CORS_ORIGINS === undefined) return
  const origins = CORS_ORIGINS.split(',').map((origin) => origin.trim())
  await app.register(cors, {
    origin: origins.includes('*') ? '*' : origins.map(normalize),
    methods: ['GET', 'HEAD', 'POST', 'DELETE'],
    allowedHeaders: [
      'Authorization',
      'Content-Type',
      'Idempotency-Key',
      'Last-Event-ID',
      'X-Request-Id',
      'traceparent'
    ],
    exposedHeaders: ['Location', 'Retry-After', 'Idempotent-Replayed', 'X-Request-Id'],
    maxAge: 600,
    // Otherwise the library answers an OPTIONS that is no preflight in plain text, unlike every other error.
    strictPreflight: false
  })
}

/** As browsers write it: in lower case, without a default port. */
function normalize(origin: string): string {
  return /^https?:/i.test(origin) ? new URL(origin).origin : origin.toLowerCase()
}

export default fp(corsPlugin, { name: 'cors', fastify: '5.x', dependencies: ['config'] })
