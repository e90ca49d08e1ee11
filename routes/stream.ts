/** What all event streams have in common. */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { TaskError } from '../src/errors.ts'

/** How long a client waits before it reconnects; random, so that clients do not all come back at once. */
const retryMs = () => 1000 + Math.floor(Math.random() * 2000)

interface Stream {
  /** Aborted when the client is gone, or when this process ends the stream. */
  signal: AbortSignal
  /** Sends the headers and the `retry:` line. */
  begin(): void
  /** Writes events; resolves once the client has taken them or is gone. `count` is for the metrics. */
  write(text: string, count: number): Promise<void>
}

/** Tracks a stream, of one task or of all, while `run` writes it. */
export async function openStream(
  app: FastifyInstance,
  reply: FastifyReply,
  taskId: string | undefined,
  run: (stream: Stream) => Promise<unknown>
): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  reply.raw.once('close', () => controller.abort('left'))
  // Not awaited: the library's send() never resolves for a slow client that is gone.
  const sendRetry = () =>
    void reply.sse.send({ data: undefined, retry: retryMs() }).catch(() => controller.abort('left'))

  app.streams.add(controller, taskId)
  try {
    await run({
      signal,
      begin() {
        // In HTTP/1.0, which some proxies speak, the end of the connection is the end of the stream.
        reply.header('connection', 'close')
        sendRetry()
      },
      async write(text, count) {
        if (signal.aborted) return
        const taken = reply.raw.write(text)
        app.taskMetrics.streamEvents.inc(count)
        if (!taken) await drained(reply.raw, signal)
      }
    })
  } catch (error) {
    if (!(error instanceof TaskError && error.code === 'STORE_UNAVAILABLE')) throw error
    // EventSource gives up for good after a 503, but reconnects after a 200 that ended.
    sendRetry()
  } finally {
    app.streams.delete(controller)
  }
}

/** Resolves once the client has taken what was written, or is gone. */
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
