import type { ServerResponse } from 'node:http'
import { fastifySSE } from '@fastify/sse'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { TaskError } from '../src/errors.ts'
import type { TaskEvent } from '../src/task.ts'

/** A reconnecting client waits a while, and each another while, so that they do not all come back at once. */
const retryMs = () => 1000 + Math.floor(Math.random() * 2000)

/** What a `streamUrl` may carry in place of a token. */
const Ticket = Type.Optional(Type.String({ description: 'From a `streamUrl`, in place of a token.' }))

const taskStream: FastifyPluginAsyncTypebox = async (app) => {
  await app.register(fastifySSE, { heartbeatInterval: app.config.SSE_HEARTBEAT * 1000 })

  app.get(
    '/tasks/:taskId/stream',
    {
      sse: 'manual',
      exposeHeadRoute: false,
      onRequest: app.requireApiTokenOrTicket,
      schema: {
        tags: ['tasks'],
        summary: 'Follow a task (server-sent events)',
        description:
          'Replays what is kept, then follows live; with `Last-Event-ID` starts after that id. 204 once the final event was seen.',
        params: Type.Object({ taskId: Type.String() }),
        querystring: Type.Object({ ticket: Ticket }),
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String()) })
      }
    },
    async (request, reply) => {
      const stream = new AbortController()
      reply.raw.once('close', () => stream.abort('left'))
      // Not awaited: the library's send() never settles for a slow client that left.
      const sendRetry = () =>
        void reply.sse.send({ data: undefined, retry: retryMs() }).catch(() => stream.abort('left'))

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
        sendRetry()
        for await (const batch of events) {
          if (stream.signal.aborted) return
          // Past the library's send(), which would format each event again for each of its readers: docs/adr/0012.
          const taken = reply.raw.write(batch.map(frameOf).join(''))
          app.taskMetrics.streamEvents.inc(batch.length)
          if (!taken) await drained(reply.raw, stream.signal)
        }
      } catch (error) {
        if (!(error instanceof TaskError && error.code === 'STORE_UNAVAILABLE')) throw error
        // EventSource gives up on a 503 for good, and comes back after a 200 that ended.
        sendRetry()
      } finally {
        app.streams.delete(stream)
      }
    }
  )
}

const frames = new WeakMap<TaskEvent, string>()

/** The event as it is written, made once for all its readers. */
function frameOf(event: TaskEvent): string {
  let frame = frames.get(event)
  if (frame === undefined) {
    frame = `id: ${event.id}\nevent: ${event.type}\ndata: ${event.json}\n\n`
    frames.set(event, frame)
  }
  return frame
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
