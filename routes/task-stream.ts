import type { ServerResponse } from 'node:http'
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

  app.get(
    '/tasks/:taskId/stream',
    {
      sse: 'manual',
      exposeHeadRoute: false,
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
      reply.raw.once('close', () => stream.abort('left'))
      const send = async (message: { id?: string; event?: string; data?: string; retry?: number }) => {
        // Not awaited: the library's send() never settles for a slow client that left.
        reply.sse.send({ data: undefined, ...message }).catch(() => stream.abort('left'))
        if (reply.raw.writableNeedDrain) await drained(reply.raw, stream.signal)
      }

      app.streams.add(stream, request.params.taskId)
      try {
        const events = await app.tasks.events(
          request.params.taskId,
          request.headers['last-event-id'],
          stream.signal
        )
        if (events === 'ended') return await reply.code(204).send()
        // To HTTP/1.0, which proxies like to speak, the end of the connection is the end of the stream.
        reply.header('connection', 'close')
        await send({ retry: retryMs() })
        for await (const batch of events) {
          for (const { id, type, json } of batch) {
            if (stream.signal.aborted) return
            await send({ id, event: type, data: json })
            app.taskMetrics.streamEvents.inc()
          }
        }
      } catch (error) {
        if (!(error instanceof TaskError && error.code === 'STORE_UNAVAILABLE')) throw error
        // EventSource gives up on a 503 for good, and comes back after a 200 that ended.
        await send({ retry: retryMs() })
      } finally {
        app.streams.delete(stream)
      }
    }
  )
}

/** Resolves when the client has taken what was written, or has left. */
function drained(raw: ServerResponse, left: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      raw.off('drain', done)
      left.removeEventListener('abort', done)
      resolve()
    }
    raw.once('drain', done)
    left.addEventListener('abort', done)
    if (left.aborted) done()
  })
}

export default taskStream
