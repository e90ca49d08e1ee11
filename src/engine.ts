import type { Stop } from './stop.ts'
import type {
  CancelReason,
  ErrorInfo,
  EventType,
  Labels,
  RequeueReason,
  TaskEvent,
  TaskPage,
  TaskQuery,
  TaskStatus,
  UnparsedRecord
} from './task.ts'

/** A task that has been checked and may be queued. */
export interface Submission {
  type: string
  /** JSON text. */
  input: string
  priority: number
  labels?: Labels
  /** Not to be started before then, in epoch milliseconds. */
  runAt?: number
  /** Of the request that started it, and of the trace that this is part of. */
  requestId?: string
  traceparent?: string
  /** The task that this one repeats; with `once`, unless it was repeated before. */
  retryOf?: { taskId: string; once: boolean }
  /** `fingerprint` is equal for equal bodies; `name` is what an error calls the key. */
  idempotency?: { key: string; fingerprint: string; name?: string }
}

/** `replayed`: the task was there already, because of its key or of `once`. */
export interface Submitted {
  taskId: string
  replayed: boolean
}

/** Which tasks are looked for; all conditions must hold. */
export interface TaskSearch {
  statuses: readonly TaskStatus[]
  type?: string
  /** `key:value` */
  labels: readonly string[]
  /** Epoch milliseconds, both exclusive. */
  createdBefore?: number
  createdAfter?: number
  /** Leaves out those that are being cancelled, or that were retried. */
  except?: 'cancelling' | 'retried'
}

/** Something that happened to a task, for those who watch all tasks. */
export interface TaskChange {
  taskId: string
  taskType: string
  labels: Labels | undefined
  type: EventType | 'task_accepted'
  /** Epoch milliseconds. */
  at: number
  /** JSON text. */
  data: string
}

/** A task that this process has to run now. It stays claimed until `run` has settled and its outcome is durable. */
export interface Claim {
  readonly taskId: string
  readonly type: string
  /** JSON text. */
  readonly input: string
  readonly attempt: number
  /** Errors thrown by earlier attempts. */
  readonly failures: number
  /** How often it was put back by a shutdown or a lost process. */
  readonly requeues: number
  /** How long it was ready to run before it was claimed. */
  readonly waitedMs: number
  /** JSON text of the last checkpoint. */
  readonly restored: string | undefined
  readonly labels?: Labels | undefined
  readonly requestId?: string | undefined
  readonly traceparent?: string | undefined
  /** Resolves when a power loss cannot undo the start any more, which survives the process from the beginning. */
  readonly durable: Promise<void> | undefined
  /** Told when the client cancels it (`client`) or another process has taken the task over (`lost`). */
  readonly stop: Stop<'client' | 'lost'>
  /** Appends a progress event, which happened `at` that time, unless the attempt is over; resolves when it is durable. */
  progress(value: number, text: string, at: number): Promise<void>
  /** Resolves when the state (JSON text) is durable; rejects with ATTEMPT_LOST or STORE_UNAVAILABLE. */
  checkpoint(state: string): Promise<void>
}

/** What becomes of an attempt. `pending` puts the task back, to start again after `delayMs`. */
export type Outcome =
  | { status: 'completed' /** JSON text. */; result: string }
  | { status: 'failed'; error: ErrorInfo }
  | { status: 'cancelled'; reason: CancelReason }
  | {
      status: 'pending'
      reason: RequeueReason
      delayMs: number /** Why a retry is necessary. */
      error?: ErrorInfo
    }

/** An attempt that has an outcome, or a task that never ran: then `startedAt` is missing. Times are epoch milliseconds. */
export interface Settled {
  taskId: string
  type: string
  attempt: number
  requestId?: string | undefined
  startedAt?: number
  endedAt: number
}

/** What an engine asks of the service that it works for. */
export interface EngineHost {
  /** How many tasks of a type may run at once, in all processes of the store together. */
  readonly limits?: ReadonlyMap<string, number>
  /** Runs a claimed task to its end. Never rejects. */
  run(claim: Claim): Promise<Outcome>
  /** Decides about a task whose process died while it ran. */
  lost(task: { type: string; requeues: number }): Outcome
  /** A slot is free because its outcome survives the process; `settled` may be yet to come, and implies it. */
  freed(taskId: string): void
  /** An outcome is durable. The task's next attempt may have begun already. */
  settled(task: Settled, outcome: Outcome): void
  /** An attempt is over without an outcome of its own: another process has its task. */
  dropped(taskId: string, attempt: number): void
  /** A transaction was durable after so many seconds. */
  committed(seconds: number): void
  /** Something durable happened to a task, in this process or another; only while `setWatching` is on. */
  changed(change: TaskChange): void
  /** Changes may have gone by unseen. */
  changesMissed(): void
}

/** Batches of a task's events, in order. */
export type Events = AsyncIterable<readonly TaskEvent[]>

/** A finished shutdown, kept in the store because nobody scrapes a process that is gone. */
export interface ShutdownReport {
  /** `SIGTERM`, `SIGINT`, `admin` or `close`. */
  reason: string
  /** `clean`: nothing had to be stopped; `cancelled`: some was; `forced`: some did not stop by itself. */
  outcome: 'clean' | 'cancelled' | 'forced'
  seconds: number
}

/**
 * One store and one queue: keeps records and events durably, and decides which task runs next.
 * Errors are TaskErrors; STORE_UNAVAILABLE means that nothing was changed, or that it is not known.
 */
export interface Engine {
  /** Whether other processes use the same store, and go on with what this one leaves. */
  readonly shared: boolean
  /**
   * Opens the store and recovers what an earlier process left. Throws StartError for a store it must not touch. One that
   * cannot be reached yet is used as soon as it can be; until then all else is STORE_UNAVAILABLE.
   */
  start(host: EngineHost): Promise<void>
  /** Resolves when all of the tasks are durable; none is if one is refused. TASK_QUEUE_FULL, IDEMPOTENCY_KEY_REUSED. */
  submit(tasks: readonly Submission[]): Promise<Submitted[]>
  /** The task that a key was used for. */
  findByKey(key: string): Promise<{ taskId: string; fingerprint: string } | undefined>
  get(taskId: string): Promise<UnparsedRecord | undefined>
  /** JSON text of the task's input. */
  input(taskId: string): Promise<string | undefined>
  /** Newest first. CURSOR_INVALID. */
  list(query: TaskQuery): Promise<TaskPage>
  /**
   * A pending task is cancelled, a running one told to stop; however its attempt ends, it ends as `afterCancel` says.
   * TASK_NOT_FOUND, TASK_ALREADY_FINISHED.
   */
  cancel(taskId: string): Promise<UnparsedRecord>
  /** Cancels all pending tasks with reason `shutdown`: of an engine whose pending tasks end with the process. */
  cancelPending?(): Promise<void>
  /** Forgets a finished task. TASK_NOT_FOUND, TASK_NOT_FINISHED. */
  remove(taskId: string): Promise<void>
  /** Up to `limit` tasks, newest first; `next` is where to go on, left out if there are no more. */
  search(search: TaskSearch, limit: number, from?: string): Promise<{ taskIds: string[]; next?: string }>
  /** Does to each what `cancel` or `remove` does to one, unless it cannot be done any more; to how many it was done. */
  cancelMany(taskIds: readonly string[]): Promise<number>
  removeMany(taskIds: readonly string[]): Promise<number>
  /**
   * The task's events after the id `after` (an id that the task never had means all that are kept), first the kept
   * ones, then live, in batches that the reader's pace decides. They end after the final event, when the task is
   * removed, or when `signal` is aborted. `ended` if `after` is the final event's own id. TASK_NOT_FOUND.
   */
  follow(taskId: string, after: string | undefined, signal: AbortSignal): Promise<Events | 'ended'>
  /** Resolves when the task has ended, is not there, or `signal` is aborted. */
  ended(taskId: string, signal: AbortSignal): Promise<void>
  /** Whether the host hears of every change; off after `start`. Resolves when nothing is missed any more. */
  setWatching(watching: boolean): Promise<void>
  /** Whether pending tasks are handed to the host; off after `start`. Takes effect at once. */
  setClaiming(claiming: boolean): void
  /** Pending tasks that wait for a slot or their backoff, and those that wait for their `runAt`. */
  pendingCounts(): Promise<{ pending: number; scheduled: number }>
  /** Rejects with STORE_UNAVAILABLE while the store cannot be read and written. */
  check(): Promise<void>
  recordShutdown(report: ShutdownReport): Promise<void>
  /** The shutdown that `recordShutdown` kept first, once. */
  takeShutdownReport(): Promise<ShutdownReport | undefined>
  /** Lets go of the store. A task that still runs is lost, as if its process had died. */
  stop(): Promise<void>
}
