import type { Static, TSchema } from '@sinclair/typebox'
import type { Log, LogLevel } from './log.ts'
import type { Isolation, LossPolicy, ShutdownPolicy } from './task.ts'

/** Logs with the task's id and type; lines from a worker go to the service's log. */
export type TaskLog = Pick<Log, LogLevel>

/** The largest result, as JSON in UTF-8. */
export const maxResultBytes = 1024 * 1024

/** What a running task may know and do. */
export interface TaskContext<State = unknown> {
  readonly taskId: string
  /** Numbers the starts of this task, whatever their reason: 1, 2, 3… */
  readonly attempt: number
  /**
   * Aborted by a cancel, the time limit, the end of the grace period, or because another process has taken the task over;
   * `reason.code` is `client`, `timeout`, `shutdown` or `lost`.
   */
  readonly signal: AbortSignal
  readonly log: TaskLog
  /** The labels that the client gave the task. */
  readonly labels: Readonly<Record<string, string>>
  /** `X-Request-Id` of the request that started the task, for the log and for calls to other services. */
  readonly requestId: string | undefined
  /** The `traceparent` of that request, to continue its trace. */
  readonly traceparent: string | undefined
  /** The state of the last checkpoint that an earlier attempt made, if any. */
  readonly restored: State | undefined
  /** How far the task is: `value` in [0, 1], never falling within an attempt; `text` at most 1,000 characters. */
  progress(value: number, text?: string): void
  /** Resolves when `state` (JSON, at most 4 MiB) is durable; a later attempt finds it in `restored`. */
  checkpoint(state: State): Promise<void>
}

/** A delay that grows with each thrown error: `initial`, `initial * factor`, … up to `max` seconds. */
export interface Backoff {
  initial: number
  /** [2] */
  factor?: number
  max?: number
  /** Waits for a random part of the delay, at least half of it [true]. */
  jitter?: boolean
}

/** A kind of work. Durations are in seconds; what is left out takes the default in brackets. */
export interface TaskType<Input = unknown, State = unknown> {
  /** Unique; lower-case words joined by `-`. */
  type: string
  description: string
  /** JSON Schema of the input; defaults are filled in, types are not coerced. */
  input: object
  /** JSON Schema of the result [anything]; one that does not fit fails the task with `RESULT_INVALID`. */
  output?: object
  /**
   * `process` [default]: a child process, which can be killed and has its own memory. `thread`: a worker thread,
   * for code whose memory is bounded. `inline`: on the event loop, for I/O.
   */
  isolation?: Isolation
  /** What happens when the grace period of a shutdown is over [`cancel`]. */
  onShutdown?: ShutdownPolicy
  /** What happens when the service's process died while it ran [`fail`, code `TASK_INTERRUPTED`]. */
  onLost?: LossPolicy
  /** Time limit of one attempt [`TASK_TIMEOUT`]. */
  timeoutSeconds?: number
  /** Thrown errors allowed before the task is `failed` [1]. Requeues are not counted here. */
  attempts?: number
  /** Delay after a thrown error, before the next attempt [0]. */
  backoffSeconds?: number | Backoff
  /** How often a shutdown or a lost process may requeue it before it fails with `TASK_REQUEUE_LIMIT` [20]. */
  maxRequeues?: number
  /** How many of its tasks run at once, in all processes of the store together [no limit but `MAX_WORKERS`]. */
  concurrency?: number
  /** Does the work; the resolved value is the result (JSON, at most 1 MiB). */
  run(input: Input, ctx: TaskContext<State>): unknown
}

/** Infers the input's type from a TypeBox schema; returns the task type unchanged. */
export function defineTask<Schema extends TSchema, State = unknown>(
  type: TaskType<Static<Schema>, State> & { input: Schema }
): TaskType<Static<Schema>, State> {
  return type
}
