import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'

const health: FastifyPluginAsyncTypebox = async (app) => {
  const quiet = { logLevel: 'warn' } as const

  app.get(
    '/healthz',
    {
      ...quiet,
      schema: { tags: ['health'], summary: 'Is the process alive?', response: { 200: Type.String() } }
    },
    async (_request, reply) => reply.type('text/plain').send('alive')
  )

  app.get(
    '/readyz',
    {
      ...quiet,
      schema: {
        tags: ['health'],
        summary: 'Does the process want traffic?',
        querystring: Type.Object({
          verbose: Type.Optional(Type.String()),
          exclude: Type.Optional(
            Type.Array(Type.String(), {
              description:
                'Checks to leave out. Without `tasks`, a pod stays in its Service while a Redis that all pods share is away.'
            })
          )
        })
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
