import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { TaskRecord } from '../src/task.ts'
import { errors } from './error-answers.ts'

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
        response: { 200: TaskRecord, ...errors(401, 404) }
      }
    },
    async (request) => app.tasks.getTask(request.params.taskId)
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
      const { taskId } = await app.tasks.getTask(request.params.taskId)
      return reply.code(201).send(app.streamAddress(taskId))
    }
  )
}

export default task
