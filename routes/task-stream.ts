import { fastifySSE } from '@fastify/sse'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { TaskError } from '../src/errors.ts'

/** A reconnecting client waits a while, and each another while, so that they do not all come back at once. */
const retryMs = () => 1000 + Math.floor(Math.random() * 2000)

const taskStream: FastifyPluginAsyncTypebox = async (app) => {
  await app.register(fastifySSE, {
    heartbeatInterval: app.config.SSE_HEARTBEAT * 1000,
    // Events come as JSON text, serialised once for all their readers.
    serializer: (json: string) => json
  })
  const open = new Set<AbortController>()

  // server.close() waits for open responses; what still streams now goes on elsewhere or later.
  app.addHook('preClose', async () => {
    for (const stream of open) stream.abort()
  })

  app.get(
    '/tasks/:taskId/stream',
    {
      sse: 'manual',
      onRequest: app.requireApiToken,
      schema: {
        tags: ['tasks'],
        summary: 'Follow a task (server-sent events)',
        description:
          'Replays what is kept, then follows live; with `Last-Event-ID` starts after that id. 204 once the final event was seen.',
        params: Type.Object({ taskId: Type.String() }),
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String()) })
      }
    },
    async (request, reply) => {
      const stream = new AbortController()
      // The library's send() never settles for a client that left; this ends the wait.
      reply.raw.once('close', () => stream.abort())
      const left = new Promise<void>((resolve) => stream.signal.addEventListener('abort', () => resolve()))
      const send = (message: { id?: string; event?: string; data?: string; retry?: number }) =>
        Promise.race([left, reply.sse.send({ data: undefined, ...message }).catch(() => stream.abort())])

      const lastEventId = request.headers['last-event-id']
      reply.header('connection', 'close')
      try {
        const events = await app.tasks.events(request.params.taskId, lastEventId, stream.signal)
        if (events === 'ended') return await reply.code(204).send()
        open.add(stream)
        app.taskMetrics.streams.set(open.size)
        await send({ retry: retryMs() })
        for await (const batch of events) {
          for (const { id, type, json } of batch) {
            if (stream.signal.aborted) return
            await send({ id, event: type, data: json })
            app.taskMetrics.streamEvents.inc()
          }
        }
      } catch (error) {
        // EventSource gives up on a 503 for good, and comes back after a 200 that ended.
        if (error instanceof TaskError && error.code === 'STORE_UNAVAILABLE') await send({ retry: retryMs() })
        else throw error
      } finally {
        open.delete(stream)
        app.taskMetrics.streams.set(open.size)
      }
    }
  )
}

export default taskStream
