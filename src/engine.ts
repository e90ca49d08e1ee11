import type { Stop } from './stop.ts'
import type {
  CancelReason,
  ErrorInfo,
  RequeueReason,
  TaskEvent,
  TaskPage,
  TaskQuery,
  UnparsedRecord
} from './task.ts'

/** A task that has been checked and may be queued. */
export interface Submission {
  type: string
  /** JSON text. */
  input: string
  priority: number
  /** `fingerprint` is equal for equal bodies. */
  idempotency?: { key: string; fingerprint: string }
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
  /** Resolves when a power loss cannot undo the start any more, which survives the process from the beginning. */
  readonly durable: Promise<void> | undefined
  /** Told when the client cancels it (`client`) or another process has taken the task over (`lost`). */
  readonly stop: Stop<'client' | 'lost'>
  /** Appends a progress event, unless the attempt is over. */
  progress(value: number, text: string): void
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
  startedAt?: number
  endedAt: number
}

/** What an engine asks of the service that it works for. */
export interface EngineHost {
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
  /** Resolves when the task is durable. `replayed`: the key was used for the same task before. TASK_QUEUE_FULL, IDEMPOTENCY_KEY_REUSED. */
  submit(task: Submission): Promise<{ taskId: string; replayed: boolean }>
  /** The task that a key was used for. */
  findByKey(key: string): Promise<{ taskId: string; fingerprint: string } | undefined>
  get(taskId: string): Promise<UnparsedRecord | undefined>
  /** Newest first. CURSOR_INVALID. */
  list(query: TaskQuery): Promise<TaskPage>
  /**
   * A pending task is cancelled, a running one told to stop; however its attempt ends, it ends as `afterCancel` says.
   * TASK_NOT_FOUND, TASK_ALREADY_FINISHED.
   */
  cancel(taskId: string): Promise<UnparsedRecord>
  /** Forgets a finished task. TASK_NOT_FOUND, TASK_NOT_FINISHED. */
  remove(taskId: string): Promise<void>
  /**
   * The task's events after the id `after` (an id that the task never had means all that are kept), first the kept
   * ones, then live, in batches that the reader's pace decides. They end after the final event, when the task is
   * removed, or when `signal` is aborted. `ended` if `after` is the final event's own id. TASK_NOT_FOUND.
   */
  follow(taskId: string, after: string | undefined, signal: AbortSignal): Promise<Events | 'ended'>
  /** Whether pending tasks are handed to the host; off after `start`. Takes effect at once. */
  setClaiming(claiming: boolean): void
  pendingCount(): Promise<number>
  /** Rejects with STORE_UNAVAILABLE while the store cannot be read and written. */
  check(): Promise<void>
  recordShutdown(report: ShutdownReport): Promise<void>
  /** The shutdown that `recordShutdown` kept first, once. */
  takeShutdownReport(): Promise<ShutdownReport | undefined>
  /** Lets go of the store. A task that still runs is lost, as if its process had died. */
  stop(): Promise<void>
}
