import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { merge, ofAdmin, readErrors, writeErrors } from './error-answers.ts'

const NullableTime = (description: string) =>
  Type.Union([Type.String({ format: 'date-time' }), Type.Null()], { description })

const DrainStatus = Type.Object(
  {
    draining: Type.Boolean(),
    phase: Type.Unsafe<string>({
      type: 'string',
      enum: ['serving', 'delaying', 'draining', 'cancelling', 'closed']
    }),
    reason: Type.Union([Type.String(), Type.Null()]),
    since: NullableTime('When the drain began.'),
    deadline: NullableTime('When tasks that still run are aborted; null for a drain by hand.'),
    activeTasks: Type.Integer(),
    pendingTasks: Type.Union([Type.Integer(), Type.Null()], {
      description: 'Null while the store is unavailable.'
    }),
    streams: Type.Integer()
  },
  { title: 'DrainStatus' }
)

const admin: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.requireAdminToken)
  const tags = ['admin']
  const security = [{ adminToken: [] }]

  const status = async (): Promise<Static<typeof DrainStatus>> => {
    const { phase, reason, since, deadline } = app.shutdown
    return {
      draining: app.shutdown.isDraining(),
      phase,
      reason,
      since: since?.toISOString() ?? null,
      deadline: deadline?.toISOString() ?? null,
      activeTasks: app.tasks.getActiveTaskCount(),
      // An operator must be able to drain a process whose store is unavailable.
      pendingTasks: await app.tasks.pendingCounts().then(
        ({ pending }) => pending,
        () => null
      ),
      streams: app.streams.count
    }
  }

  app.get(
    '/drain',
    {
      schema: {
        tags,
        security,
        operationId: 'getDrain',
        summary: 'Drain status',
        response: { 200: DrainStatus, ...readErrors(ofAdmin) }
      }
    },
    status
  )

  app.post(
    '/drain',
    {
      schema: {
        tags,
        security,
        operationId: 'startDrain',
        summary: 'Start draining; the process stays up',
        body: Type.Union([
          Type.Object(
            { reason: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })) },
            { additionalProperties: false }
          ),
          Type.Null()
        ]),
        response: { 202: DrainStatus, ...writeErrors(ofAdmin) }
      }
    },
    async (request, reply) => {
      app.shutdown.setDraining(true, request.body?.reason)
      return reply.code(202).send(await status())
    }
  )

  app.delete(
    '/drain',
    {
      schema: {
        tags,
        security,
        operationId: 'endDrain',
        summary: 'Stop draining',
        response: { 200: DrainStatus, ...writeErrors(merge(ofAdmin, { 409: ['SHUTTING_DOWN'] })) }
      }
    },
    async () => {
      app.shutdown.setDraining(false)
      return status()
    }
  )
}

export default admin
