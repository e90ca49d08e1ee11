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
  /** The id of the request that started the task. */
  requestId?: string
  /** The trace that this request belongs to. */
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
  /** Excludes tasks that are being cancelled, or that were retried. */
  except?: 'cancelling' | 'retried'
}

/** A change of a task, for those who watch all tasks. */
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

/** A task that was claimed for this process. It stays claimed until the outcome that `run` resolved with is durable. */
export interface Claim {
  readonly taskId: string
  readonly type: string
  /** JSON text. */
  readonly input: string
  readonly attempt: number
  /** Errors thrown by earlier attempts. */
  readonly failures: number
  /** How often it was requeued by a shutdown or a lost process. */
  readonly requeues: number
  /** How long it was ready to run before it was claimed. */
  readonly waitedMs: number
  /** JSON text of the last checkpoint. */
  readonly restored: string | undefined
  readonly labels?: Labels | undefined
  readonly requestId?: string | undefined
  readonly traceparent?: string | undefined
  /** Resolves once the start survives a power loss. It survives a crash of the process from the beginning. */
  readonly durable: Promise<void> | undefined
  /** Triggered when a client cancels the task (`client`) or another process has taken it over (`lost`). */
  readonly stop: Stop<'client' | 'lost'>
  /** Appends a progress event that happened `at` that time, unless the attempt is over. Resolves once it is durable. */
  progress(value: number, text: string, at: number): Promise<void>
  /** Resolves when the state (JSON text) is durable; rejects with ATTEMPT_LOST or STORE_UNAVAILABLE. */
  checkpoint(state: string): Promise<void>
}

/** The outcome of an attempt. `pending` requeues the task, to start again after `delayMs`. */
export type Outcome =
  | {
      status: 'completed'
      /** JSON text. */
      result: string
    }
  | { status: 'failed'; error: ErrorInfo }
  | { status: 'cancelled'; reason: CancelReason }
  | {
      status: 'pending'
      reason: RequeueReason
      delayMs: number
      /** The error that made a retry necessary. */
      error?: ErrorInfo
    }

/** An attempt that has an outcome, or a task that never ran and has no `startedAt`. Times are epoch milliseconds. */
export interface EndedAttempt {
  taskId: string
  type: string
  attempt: number
  requestId?: string | undefined
  startedAt?: number
  endedAt: number
}

/** The callbacks of an engine. */
export interface EngineHost {
  /** How many tasks of a type may run at once, in all processes of the store together. */
  readonly limits?: ReadonlyMap<string, number>
  /** Runs a claimed task to its end. Never rejects. */
  run(claim: Claim): Promise<Outcome>
  /** The outcome of an attempt whose process died. */
  resolveLost(task: { type: string; requeues: number }): Outcome
  /** An attempt released its slot: its outcome survives the process. `attemptEnded` comes later, and implies this. */
  slotReleased(taskId: string): void
  /** An outcome is durable. The task's next attempt may have begun already. */
  attemptEnded(attempt: EndedAttempt, outcome: Outcome): void
  /** An attempt is over without an outcome: another process has taken its task over. */
  attemptLost(taskId: string, attempt: number): void
  /** A transaction became durable, `seconds` after it began. */
  committed(seconds: number): void
  /** A durable change of a task, in this process or another; only while watching. */
  changed(change: TaskChange): void
  /** Changes may have been missed. */
  changesMissed(): void
}

/** Batches of a task's events, in order. */
export type Events = AsyncIterable<readonly TaskEvent[]>

export interface PendingCounts {
  /** Tasks that wait for a slot or their backoff. */
  pending: number
  /** Tasks that wait for their `runAt`. */
  scheduled: number
}

/** The report of a finished shutdown, stored because a process that is gone cannot be scraped. */
export interface ShutdownReport {
  /** The name of the signal, `admin`, `crash` or `close`; a label of the metric. */
  reason: string
  /** `clean`: no task was aborted; `cancelled`: some were; `forced`: some had to be killed or abandoned. */
  outcome: 'clean' | 'cancelled' | 'forced'
  seconds: number
}

/**
 * One store and one queue: keeps records and events durably, and decides which task runs next.
 * Errors are TaskErrors, named by their codes after `@throws`; STORE_UNAVAILABLE, which every method may throw, means that
 * nothing was changed, or that it is not known.
 */
export interface Engine {
  /** Whether other processes use the same store, and continue what this one leaves pending. */
  readonly shared: boolean
  /**
   * Opens the store and recovers the tasks of an earlier process. Throws StartError for a store that it must not touch. A
   * store that cannot be reached yet is used as soon as it can be; until then all other calls throw STORE_UNAVAILABLE.
   */
  start(host: EngineHost): Promise<void>
  /** Resolves once all tasks are durable; accepts none if one is refused. @throws TASK_QUEUE_FULL, IDEMPOTENCY_KEY_REUSED */
  submit(tasks: readonly Submission[]): Promise<Submitted[]>
  /** The task that a key was used for. */
  findByKey(key: string): Promise<{ taskId: string; fingerprint: string } | undefined>
  get(taskId: string): Promise<UnparsedRecord | undefined>
  /** JSON text of the task's input. */
  input(taskId: string): Promise<string | undefined>
  /** Newest first. @throws CURSOR_INVALID */
  list(query: TaskQuery): Promise<TaskPage>
  /**
   * Cancels a pending task at once, and aborts the attempt of a running one. However that attempt ends, `afterCancel`
   * decides the outcome.
   * @throws TASK_NOT_FOUND, TASK_ALREADY_FINISHED
   */
  cancel(taskId: string): Promise<UnparsedRecord>
  /** Cancels all pending tasks with reason `shutdown`, in an engine whose pending tasks end with the process. */
  cancelPending?(): Promise<void>
  /** Deletes a finished task. @throws TASK_NOT_FOUND, TASK_NOT_FINISHED */
  remove(taskId: string): Promise<void>
  /** Up to `limit` tasks, newest first; `next` is where to continue, left out if there are no more. */
  search(search: TaskSearch, limit: number, from?: string): Promise<{ taskIds: string[]; next?: string }>
  /** Like `cancel` and `remove` for each task, skipping those that can no longer be; resolves with how many were done. */
  cancelMany(taskIds: readonly string[]): Promise<number>
  removeMany(taskIds: readonly string[]): Promise<number>
  /**
   * The task's events after the id `after` (all kept ones if the task has no such event): first the kept ones, then live,
   * in batches at the reader's own pace. They end after the final event, when the task is deleted, or when `signal` is
   * aborted. `ended` if `after` is the id of the final event. @throws TASK_NOT_FOUND
   */
  follow(taskId: string, after: string | undefined, signal: AbortSignal): Promise<Events | 'ended'>
  /** Resolves once the task has ended or does not exist, or `signal` is aborted. */
  ended(taskId: string, signal: AbortSignal): Promise<void>
  /** Whether the host is notified of every change; off after `start`. Resolves once no change is missed any more. */
  setWatching(watching: boolean): Promise<void>
  /** Whether pending tasks are claimed for the host; off after `start`. Takes effect at once. */
  setClaiming(claiming: boolean): void
  pendingCounts(): Promise<PendingCounts>
  /** Milliseconds since the task became ready that has been waiting for a slot for longest; 0 if none is waiting. */
  oldestPendingMs(): Promise<number>
  /** Rejects with STORE_UNAVAILABLE while the store cannot be read and written. */
  check(): Promise<void>
  recordShutdown(report: ShutdownReport): Promise<void>
  /** Removes and returns the oldest stored report. */
  takeShutdownReport(): Promise<ShutdownReport | undefined>
  /** Closes the store. A task that still runs is lost, as if its process had died. */
  stop(): Promise<void>
}
