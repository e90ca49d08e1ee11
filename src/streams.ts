import type { TaskMetrics } from './task-metrics.ts'
import type { TaskService } from './task-service.ts'
import { within } from './timers.ts'

// So that clients do not all reconnect to another process at the same moment.
const handOverWithinMs = 3_000
// How long a slow reader may take to read the final event of a task that ended here.
const finalEventWithinMs = 1_000

/** Tracks the open event streams, to count and to end them. */
export class Streams {
  readonly #open = new Map<AbortController, string | undefined>()
  /** By task. */
  readonly #byTask = new Map<string, Set<AbortController>>()
  /** Streams of tasks that ended in this process. They end by themselves, after the final event. */
  readonly #ending = new Set<AbortController>()
  #allEnded = () => {}
  readonly #metrics: TaskMetrics
  readonly #tasks: TaskService
  #handingOver = false
  #ended = false

  constructor(metrics: TaskMetrics, tasks: TaskService) {
    this.#metrics = metrics
    this.#tasks = tasks
    tasks.executor.onEnded((taskId) => {
      for (const stream of this.#byTask.get(taskId) ?? []) this.#ending.add(stream)
    })
  }

  get count(): number {
    return this.#open.size
  }

  /** Adds a stream of one task, or of all. */
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

  /** Ends the streams of remote tasks, spread over a few seconds: their clients reconnect to another process. */
  handOver(): void {
    this.#handingOver = true
    for (const [stream, taskId] of this.#open) this.#endSometime(stream, taskId)
  }

  /** Keeps the streams that are still open. */
  keep(): void {
    this.#handingOver = false
  }

  /** Ends all streams, also those opened from now on. Streams of tasks that ended here first send their final event. */
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
    if (!this.#tasks.isRemote(taskId)) return
    const end = () => this.#handingOver && stream.abort('ended')
    const timer = setTimeout(end, Math.random() * handOverWithinMs)
    stream.signal.addEventListener('abort', () => clearTimeout(timer))
  }
}
