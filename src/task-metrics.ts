import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { FinalStatus, RequeueReason } from './task.ts'
import { within } from './timers.ts'

/** From a no-op's milliseconds to the hour that a long task may take. */
const durationBuckets = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600
]
const shutdownBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 900]
const commitBuckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

/** Why a request for a new task was turned down. */
export type RejectReason = 'draining' | 'queue_full' | 'invalid' | 'unknown_type' | 'store_unavailable'

/** The service's own metrics. Labels only ever hold known task types and fixed words. */
export class TaskMetrics {
  readonly registry: Registry
  readonly #active: Gauge
  readonly #draining: Gauge
  readonly #shutdown: Histogram<'reason' | 'outcome'>
  readonly started: Counter<'type'>
  readonly finished: Counter<'type' | 'status'>
  readonly attemptsFailed: Counter<'type'>
  readonly duration: Histogram<'type' | 'status'>
  readonly queueWait: Histogram<'type'>
  readonly rejected: Counter<'reason'>
  readonly requeued: Counter<'type' | 'reason'>
  readonly forceTerminated: Counter<'type'>
  readonly abandoned: Counter<'type'>
  readonly streams: Gauge
  readonly streamEvents: Counter
  readonly commit: Histogram
  readonly uncaughtErrors: Counter

  constructor(registry: Registry) {
    this.registry = registry
    const registers = [registry]
    this.#active = new Gauge({
      name: 'task_active_executions',
      help: 'Tasks running in this process',
      registers
    })
    this.#draining = new Gauge({
      name: 'task_draining_state',
      help: '1 while the process is draining, else 0',
      registers
    })
    this.#shutdown = new Histogram({
      name: 'task_graceful_shutdown_duration_seconds',
      help: 'Time from the start of a shutdown to the end of its last task',
      labelNames: ['reason', 'outcome'],
      buckets: shutdownBuckets,
      registers
    })
    this.started = new Counter({
      name: 'task_started_total',
      help: 'Attempts started',
      labelNames: ['type'],
      registers
    })
    this.finished = new Counter({
      name: 'task_finished_total',
      help: 'Tasks that reached a final state',
      labelNames: ['type', 'status'],
      registers
    })
    this.attemptsFailed = new Counter({
      name: 'task_attempts_failed_total',
      help: 'Attempts that ended with an error, whether or not another one follows',
      labelNames: ['type'],
      registers
    })
    this.duration = new Histogram({
      name: 'task_duration_seconds',
      help: 'Time from the start of the last attempt to the final state',
      labelNames: ['type', 'status'],
      buckets: durationBuckets,
      registers
    })
    this.queueWait = new Histogram({
      name: 'task_queue_wait_seconds',
      help: 'Time that a task was ready to run before it started',
      labelNames: ['type'],
      buckets: durationBuckets,
      registers
    })
    this.rejected = new Counter({
      name: 'task_rejected_total',
      help: 'Requests to start a task that were rejected',
      labelNames: ['reason'],
      registers
    })
    this.requeued = new Counter({
      name: 'task_requeued_total',
      help: 'Tasks requeued',
      labelNames: ['type', 'reason'],
      registers
    })
    this.forceTerminated = new Counter({
      name: 'task_force_terminated_total',
      help: 'Tasks whose worker was killed because they did not stop',
      labelNames: ['type'],
      registers
    })
    this.abandoned = new Counter({
      name: 'task_abandoned_total',
      help: 'Inline tasks that did not stop and were abandoned',
      labelNames: ['type'],
      registers
    })
    this.streams = new Gauge({ name: 'task_sse_streams', help: 'Open event streams', registers })
    this.streamEvents = new Counter({
      name: 'task_sse_events_total',
      help: 'Events sent on streams',
      registers
    })
    this.uncaughtErrors = new Counter({
      name: 'process_uncaught_errors_total',
      help: 'Uncaught exceptions and unhandled rejections',
      registers
    })
    this.commit = new Histogram({
      name: 'task_store_commit_seconds',
      help: 'Time from the start of a transaction of the task store until it is durable',
      buckets: commitBuckets,
      registers
    })
  }

  /** Declares a gauge that is read at each scrape. While that fails it keeps its last value: all else must be scraped. */
  gauge(name: string, help: string, read: () => Promise<number>): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      async collect() {
        await read().then(
          (value) => this.set(value),
          () => {}
        )
      }
    })
  }

  /** Declares `task_store_up`, asked for at each scrape. */
  gaugeStore(check: () => Promise<void>): void {
    new Gauge({
      name: 'task_store_up',
      help: '1 while the task store answers, else 0',
      registers: [this.registry],
      async collect() {
        // A scrape must not wait for a store that does not answer.
        const isUp = await within(1_000, check()).catch(() => false)
        this.set(isUp ? 1 : 0)
      }
    })
  }

  /** Declares `process_log_lines_lost_total`, asked for at each scrape. */
  countLostLines(lost: () => number): void {
    new Counter({
      name: 'process_log_lines_lost_total',
      help: 'Log lines that were lost because the reader was stuck or gone, or the disk full',
      registers: [this.registry],
      collect() {
        this.reset()
        this.inc(lost())
      }
    })
  }

  updateTaskMetrics(activeTasks: number): void {
    this.#active.set(activeTasks)
  }

  setDrainingState(isDraining: boolean): void {
    this.#draining.set(isDraining ? 1 : 0)
  }

  recordShutdownDuration(seconds: number, { reason, outcome }: { reason: string; outcome: string }): void {
    this.#shutdown.observe({ reason, outcome }, seconds)
  }

  taskFinished(type: string, status: FinalStatus, seconds: number | undefined): void {
    this.finished.inc({ type, status })
    if (seconds !== undefined) this.duration.observe({ type, status }, seconds)
  }

  taskRequeued(type: string, reason: RequeueReason): void {
    this.requeued.inc({ type, reason })
  }
}
