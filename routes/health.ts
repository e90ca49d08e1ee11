import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'

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
  const quiet = { logLevel: 'warn' } as const

  app.get(
    '/healthz',
    {
      ...quiet,
      schema: {
        tags: ['health'],
        operationId: 'getHealth',
        summary: 'Is the process alive?',
        response: { 200: text('alive') }
      }
    },
    async (_request, reply) => reply.type('text/plain').send('alive')
  )

  app.get(
    '/readyz',
    {
      ...quiet,
      schema: {
        tags: ['health'],
        operationId: 'getReadiness',
        summary: 'Is the process ready for traffic?',
        querystring: Type.Object({
          verbose: Type.Optional(Type.String()),
          exclude: Type.Optional(
            Type.Array(Type.String(), {
              description:
                'Checks to leave out. Without `tasks`, a pod stays in its Service while a Redis that all pods share is away.'
            })
          )
        }),
        response: { 200: readiness, 503: readiness }
      }
    },
    async (request, reply) => {
      const checks = await app.health.check(request.query.exclude)
      const healthy = Object.values(checks).every(({ ok }) => ok)
      const status = app.shutdown.isDraining()
        ? 'draining'
        : app.tasks.state === 'starting'
          ? 'starting'
          : healthy
            ? 'ok'
            : 'task service unhealthy'
      reply.code(status === 'ok' ? 200 : 503)
      if (request.query.verbose === undefined) return reply.type('text/plain').send(status)
      const { tasks, shutdown } = app
      return reply.send({
        status,
        checks,
        activeTasks: tasks.getActiveTaskCount(),
        draining: shutdown.isDraining()
      })
    }
  )
}

export default health
