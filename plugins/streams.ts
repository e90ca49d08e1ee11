import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { TaskMetrics } from '../src/task-metrics.ts'
import type { TaskService } from '../src/task-service.ts'

declare module 'fastify' {
  interface FastifyInstance {
    streams: Streams
  }
}

// So many clients must not all come to another process at the same moment.
const handOverWithinMs = 3_000

/** The open event streams, so that they can be counted and ended. */
class Streams {
  readonly #open = new Map<AbortController, string | undefined>()
  readonly #metrics: TaskMetrics
  readonly #tasks: TaskService
  #handingOver = false
  #ended = false

  constructor(metrics: TaskMetrics, tasks: TaskService) {
    this.#metrics = metrics
    this.#tasks = tasks
  }

  get count(): number {
    return this.#open.size
  }

  /** Of one task, or of all. */
  add(stream: AbortController, taskId: string | undefined): void {
    this.#open.set(stream, taskId)
    this.#metrics.streams.set(this.count)
    if (this.#ended) stream.abort('ended')
    else if (this.#handingOver) this.#endSometime(stream, taskId)
  }

  delete(stream: AbortController): void {
    this.#open.delete(stream)
    this.#metrics.streams.set(this.count)
  }

  /** Ends the streams of tasks that live elsewhere, little by little: their clients find a process that stays. */
  handOver(): void {
    this.#handingOver = true
    for (const [stream, taskId] of this.#open) this.#endSometime(stream, taskId)
  }

  /** Leaves what is open. */
  keep(): void {
    this.#handingOver = false
  }

  /** Ends all streams, and each that is opened from now on. */
  end(): void {
    this.#ended = true
    for (const stream of this.#open.keys()) stream.abort('ended')
  }

  #endSometime(stream: AbortController, taskId: string | undefined): void {
    if (!this.#tasks.livesElsewhere(taskId)) return
    const end = () => this.#handingOver && stream.abort('ended')
    const timer = setTimeout(end, Math.random() * handOverWithinMs)
    stream.signal.addEventListener('abort', () => clearTimeout(timer))
  }
}

async function streamsPlugin(app: FastifyInstance) {
  const streams = new Streams(app.taskMetrics, app.tasks)
  app.decorate('streams', streams)
  app.shutdown.onDrain({
    pause: () => streams.handOver(),
    resume: () => streams.keep(),
    // What is still open then is ended below.
    remaining: () => 0,
    idle: async () => {},
    cancel: async () => ({ forced: false })
  })
  // After the drain: those of tasks that ran have seen their final event, the others go on elsewhere or later.
  app.shutdown.beforeExit('ending the streams', () => streams.end())
}

export default fp(streamsPlugin, {
  name: 'streams',
  fastify: '5.x',
  dependencies: ['shutdown', 'metrics', 'tasks']
})
