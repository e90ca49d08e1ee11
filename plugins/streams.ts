import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { within } from '../src/shutdown.ts'
import type { TaskMetrics } from '../src/task-metrics.ts'
import type { TaskService } from '../src/task-service.ts'

declare module 'fastify' {
  interface FastifyInstance {
    streams: Streams
  }
}

// So many clients must not all come to another process at the same moment.
const handOverWithinMs = 3_000
// How long a slow reader has for the final event of a task that ended here.
const finalEventWithinMs = 1_000

/** The open event streams, so that they can be counted and ended. */
class Streams {
  readonly #open = new Map<AbortController, string | undefined>()
  /** Those of one task, by task. */
  readonly #byTask = new Map<string, Set<AbortController>>()
  /** Those of tasks that ended in this process: they end by themselves, after the final event. */
  readonly #ending = new Set<AbortController>()
  #allEnded = () => {}
  readonly #metrics: TaskMetrics
  readonly #tasks: TaskService
  #handingOver = false
  #ended = false

  constructor(metrics: TaskMetrics, tasks: TaskService) {
    this.#metrics = metrics
    this.#tasks = tasks
    tasks.onEnded((taskId) => {
      for (const stream of this.#byTask.get(taskId) ?? []) this.#ending.add(stream)
    })
  }

  get count(): number {
    return this.#open.size
  }

  /** Of one task, or of all. */
  add(stream: AbortController, taskId: string | undefined): void {
    this.#open.set(stream, taskId)
    if (taskId !== undefined) {
      const ofTask = this.#byTask.get(taskId) ?? new Set()
      this.#byTask.set(taskId, ofTask.add(stream))
    }
    this.#metrics.streams.set(this.count)
    if (this.#ended) stream.abort('ended')
    else if (this.#handingOver) this.#endSometime(stream, taskId)
  }

  delete(stream: AbortController): void {
    const taskId = this.#open.get(stream) ?? ''
    const ofTask = this.#byTask.get(taskId)
    ofTask?.delete(stream)
    if (ofTask?.size === 0) this.#byTask.delete(taskId)
    this.#open.delete(stream)
    this.#ending.delete(stream)
    if (this.#ending.size === 0) this.#allEnded()
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

  /** Ends all streams, and each that is opened from now on; those of tasks that ended here after their final event. */
  async end(): Promise<void> {
    this.#ended = true
    const endOthers = () => {
      for (const stream of this.#open.keys()) if (!this.#ending.has(stream)) stream.abort('ended')
    }
    endOthers()
    if (this.#ending.size > 0) {
      const allEnded = new Promise<void>((resolve) => {
        this.#allEnded = resolve
      })
      await within(finalEventWithinMs, allEnded)
    }
    this.#ending.clear()
    endOthers()
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
