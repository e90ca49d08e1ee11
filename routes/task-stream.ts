import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { TaskEventMessage } from '../src/task-events.ts'
import { ofApi, readErrors } from './error-answers.ts'
import { openStream } from './stream.ts'

/** The query of a `streamUrl`, in place of a token. */
const Ticket = Type.Optional(Type.String({ description: 'From a `streamUrl`, in place of a token.' }))

const taskStream: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/tasks/:taskId/stream',
    {
      sse: 'manual',
      exposeHeadRoute: false,
      onRequest: app.requireApiTokenOrTicket,
      schema: {
        tags: ['tasks'],
        operationId: 'followTask',
        summary: 'Stream the events of a task (server-sent events)',
        description:
          'Replays what is kept, then follows live; with `Last-Event-ID` starts after that id. 204 once the final event was seen.',
        params: Type.Object({ taskId: Type.String() }),
        querystring: Type.Object({ ticket: Ticket }),
        headers: Type.Object({
          'last-event-id': Type.Optional(
            Type.String({
              description: 'Of the last event that was seen; one that the task never had means all.'
            })
          )
        }),
        response: {
          200: { content: { 'text/event-stream': { schema: TaskEventMessage } } },
          204: Type.Null({ description: 'The final event was seen already: there is nothing more to come.' }),
          ...readErrors({ 401: [...(ofApi[401] ?? []), 'TICKET_INVALID'], 404: ['TASK_NOT_FOUND'] })
        }
      }
    },
    async (request, reply) => {
      const { taskId } = request.params
      await openStream(app, reply, taskId, async (stream) => {
        const events = await app.tasks.events(taskId, request.headers['last-event-id'], stream.signal)
        if (events === 'ended') return reply.code(204).send(null)
        stream.begin()
        for await (const batch of events) {
          if (stream.signal.aborted) return
          // Written directly: the library's send() formats each event line by line (docs/adr/0012).
          const frames = batch.map(({ id, type, json }) => `id: ${id}\nevent: ${type}\ndata: ${json}\n\n`)
          await stream.write(frames.join(''), batch.length)
        }
      })
    }
  )
}

export default taskStream
