import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { TaskRecord } from '../src/task.ts'
import { errors } from './error-answers.ts'

// Sent as the text that it is kept as: parsed and serialised, a large one would hold up the event loop.
const RecordText = Type.Unsafe<string>(TaskRecord)

/** One task, for whoever has a token or a ticket for it. */
const task: FastifyPluginAsyncTypebox = async (app) => {
  const tags = ['tasks']
  const params = Type.Object({ taskId: Type.String() })

  app.get(
    '/tasks/:taskId',
    {
      onRequest: app.requireApiTokenOrTicket,
      schema: {
        tags,
        summary: 'Read a task',
        params,
        querystring: Type.Object({
          ticket: Type.Optional(Type.String({ description: 'From a `streamUrl`, in place of a token.' }))
        }),
        response: { 200: RecordText, ...errors(401, 404) }
      }
    },
    async (request, reply) =>
      reply.type('application/json; charset=utf-8').send(await app.tasks.getTaskText(request.params.taskId))
  )

  app.post(
    '/tasks/:taskId/stream-ticket',
    {
      onRequest: app.requireApiToken,
      schema: {
        tags,
        summary: 'Get a stream address that a browser can open',
        description: 'EventSource sends no token: this address carries a ticket for one task in its place.',
        params,
        response: {
          201: Type.Object({
            streamUrl: Type.String(),
            expiresAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
              description: 'Null if the API asks for no token.'
            })
          }),
          ...errors(401, 404)
        }
      }
    },
    async (request, reply) => {
      const { taskId } = request.params
      await app.tasks.getTaskText(taskId)
      return reply.code(201).send(app.streamAddress(taskId))
    }
  )
}

export default task
