import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { readErrors } from './error-answers.ts'

/** An answer in text. */
const text = (...words: string[]) => ({
  content: { 'text/plain': { schema: Type.Unsafe<string>({ type: 'string', enum: words }) } }
})

const Readiness = Type.Object(
  {
    status: Type.String(),
    checks: Type.Record(
      Type.String(),
      Type.Object({ ok: Type.Boolean(), detail: Type.Optional(Type.String()) })
    ),
    activeTasks: Type.Integer(),
    draining: Type.Boolean()
  },
  { title: 'Readiness', description: 'With `verbose`.' }
)

const readiness = {
  content: {
    ...text('ok', 'draining', 'starting', 'task service unhealthy').content,
    'application/json': { schema: Readiness }
  }
}

const health: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/healthz',
    {
      logLevel: 'warn',
      schema: {
        tags: ['health'],
        operationId: 'getHealth',
        summary: 'Liveness probe',
        response: { 200: text('alive') }
      }
    },
    async (_request, reply) => reply.type('text/plain').send('alive')
  )

  app.get(
    '/readyz',
    {
      // Its 503 is what a probe asked for, every few seconds; what is behind it has log lines of its own.
      logLevel: 'error',
      schema: {
        tags: ['health'],
        operationId: 'getReadiness',
        summary: 'Readiness probe',
        querystring: Type.Object({
          verbose: Type.Optional(Type.String()),
          exclude: Type.Optional(
            Type.Array(Type.String(), {
              description:
                'Checks to leave out. Without `tasks`, a pod stays in its Service while a Redis that all pods share is away.'
            })
          )
        }),
        response: { 200: readiness, ...readErrors(), 503: readiness }
      }
    },
    async (request, reply) => {
      const readiness = await app.readiness(request.query.exclude)
      const { status } = readiness
      reply.code(status === 'ok' ? 200 : 503)
      if (request.query.verbose === undefined) return reply.type('text/plain').send(status)
      return reply.send(readiness)
    }
  )
}

export default health
