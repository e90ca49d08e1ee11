import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { TaskMetrics } from '../src/task-metrics.ts'

declare module 'fastify' {
  interface FastifyInstance {
    streams: Streams
  }
}

/** The open event streams, so that they can be counted and ended. */
class Streams {
  readonly #open = new Set<AbortController>()
  readonly #metrics: TaskMetrics
  #ended = false

  constructor(metrics: TaskMetrics) {
    this.#metrics = metrics
  }

  get count(): number {
    return this.#open.size
  }

  add(stream: AbortController): void {
    this.#open.add(stream)
    this.#metrics.streams.set(this.count)
    if (this.#ended) stream.abort('ended')
  }

  delete(stream: AbortController): void {
    this.#open.delete(stream)
    this.#metrics.streams.set(this.count)
  }

  /** Ends all streams, and each that is opened from now on. */
  end(): void {
    this.#ended = true
    for (const stream of this.#open) stream.abort('ended')
  }
}

async function streamsPlugin(app: FastifyInstance) {
  const streams = new Streams(app.taskMetrics)
  app.decorate('streams', streams)
  // After the drain: those of tasks that ran have seen their final event, the others go on elsewhere or later.
  app.addHook('preClose', async () => streams.end())
}

export default fp(streamsPlugin, { name: 'streams', fastify: '5.x', dependencies: ['shutdown', 'metrics'] })
