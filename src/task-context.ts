import { inspect } from 'node:util'
import type { LogLevel } from './log.ts'
import type { CancelReason, ErrorInfo, Labels } from './task.ts'
import { maxResultBytes, type TaskContext, type TaskLog } from './task-type.ts'

/** What a running task reports to the service, in order, whether it runs inline or in a worker. */
export type Report =
  | { kind: 'progress'; value: number; text: string /** Epoch milliseconds. */; at: number }
  | { kind: 'log'; level: LogLevel; fields: object; message: string | undefined }

/** What a run needs: plain data, so that it can be sent to a worker. */
export interface RunInput {
  taskId: string
  attempt: number
  /** JSON text. */
  input: string
  /** JSON text of the last checkpoint. */
  restored: string | undefined
  labels?: Labels | undefined
  requestId?: string | undefined
  traceparent?: string | undefined
}

/** How a run ended. The stack is for the log only. */
export type RunEnd = { result: string } | { error: ErrorInfo; stack?: string }

const maxCheckpointBytes = 4 * 1024 * 1024
const maxText = 1000
const maxCode = 100
const maxMessage = 10_000
const maxStack = 20_000
const maxCauses = 5
// 51, not 50: they must be 50 ms apart by their timestamps too, which are whole milliseconds of another clock.
const progressEveryMs = 51
const unreadable = 'A value that cannot be read'

interface Channel {
  abort: AbortController
  report: (report: Report) => void
  /** Resolves when the state (JSON text) is durable. */
  saveCheckpoint: (state: string) => Promise<void>
}

/** Runs a task type's `run` on a job, to a result that is JSON text or an error with a code. Never rejects. */
export async function runTask(
  run: (input: unknown, ctx: TaskContext) => unknown,
  job: RunInput,
  channel: Channel
): Promise<RunEnd> {
  const progress = throttleProgress(channel.report)
  const context: TaskContext = {
    taskId: job.taskId,
    attempt: job.attempt,
    labels: job.labels ?? {},
    requestId: job.requestId,
    traceparent: job.traceparent,
    // Created on first use: many tasks never need it.
    get signal() {
      return channel.abort.signal
    },
    restored: job.restored === undefined ? undefined : JSON.parse(job.restored),
    log: makeLog(channel.report),
    progress: progress.set,
    checkpoint: async (state) => channel.saveCheckpoint(toJson(state, maxCheckpointBytes, 'CHECKPOINT'))
  }
  try {
    const result = await run(JSON.parse(job.input), context)
    return { result: toJson(result, maxResultBytes, 'RESULT') }
  } catch (error) {
    const stack = stackOf(error)
    return { error: describeError(error), ...(stack !== undefined && { stack }) }
  } finally {
    progress.flush()
  }
}

/** Why a run is aborted: by a client, its time limit, a shutdown, or because another process has taken its task over. */
export type AbortCause = CancelReason | 'lost'

/** The reason of an aborted `ctx.signal`. */
export function abortReason(cause: AbortCause): Error {
  return Object.assign(codedError(cause, `The task was stopped: ${cause}`), { name: 'AbortError' })
}

/** A coded error, as a task may throw it. */
export function codedError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

function toJson(value: unknown, maxBytes: number, what: 'RESULT' | 'CHECKPOINT'): string {
  let json: string
  try {
    // Functions and symbols have no JSON. Undefined counts as null.
    json = JSON.stringify(value) ?? 'null'
  } catch (error) {
    throw codedError(
      `TASK_${what}_INVALID`,
      `The ${what.toLowerCase()} is not JSON: ${describeError(error).message}`
    )
  }
  const bytes = Buffer.byteLength(json)
  if (bytes > maxBytes) {
    throw codedError(
      `TASK_${what}_TOO_LARGE`,
      `The ${what.toLowerCase()} has ${bytes} bytes, at most ${maxBytes} are kept`
    )
  }
  return json
}

/** Whatever was thrown, as a code and a message. */
export function describeError(error: unknown): ErrorInfo {
  try {
    // Anything can be thrown. Whatever looks like an error is treated as one.
    const { code, message } =
      typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {}
    return {
      code: typeof code === 'string' ? code.slice(0, maxCode) : 'TASK_FAILED',
      message: (typeof message === 'string' ? message : describeValue(error))
        .slice(0, maxMessage)
        .toWellFormed()
    }
  } catch {
    return { code: 'TASK_FAILED', message: unreadable }
  }
}

/** The stack of an error and its causes, which operators need and clients must not see. */
export function stackOf(error: unknown): string | undefined {
  const stacks: string[] = []
  try {
    for (let cause = error; stacks.length <= maxCauses; ) {
      if (typeof cause !== 'object' || cause === null) break
      const { stack, cause: next } = cause as Record<string, unknown>
      if (typeof stack !== 'string') break
      stacks.push(stack.slice(0, maxStack))
      cause = next
    }
  } catch {
    // A cause that cannot be read ends the list.
  }
  if (stacks.length === 0) return undefined
  return stacks.join('\ncaused by: ').slice(0, maxStack).toWellFormed()
}

/** Any value as text, even one that throws when inspected. */
function describeValue(value: unknown): string {
  try {
    return inspect(value)
  } catch {
    return unreadable
  }
}

/** Reports progress once per interval. A value that comes too early is sent at the end of the interval, or by `flush`. */
function throttleProgress(report: (report: Report) => void) {
  let highest = 0
  let sentAt = Number.NEGATIVE_INFINITY
  let waiting: { value: number; text: string } | undefined
  let timer: NodeJS.Timeout | undefined

  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    if (!waiting) return
    report({ kind: 'progress', ...waiting, at: Date.now() })
    waiting = undefined
    sentAt = performance.now()
  }

  const set = (value: number, text = '') => {
    if (typeof value !== 'number' || Number.isNaN(value)) return
    highest = Math.max(highest, Math.min(value, 1))
    waiting = {
      value: highest,
      text: (typeof text === 'string' ? text : describeValue(text)).slice(0, maxText).toWellFormed()
    }
    const early = sentAt + progressEveryMs - performance.now()
    if (early <= 0) flush()
    else timer ??= setTimeout(flush, early).unref()
  }

  return { set, flush }
}

function makeLog(report: (report: Report) => void): TaskLog {
  const at = (level: LogLevel) => (fields: object | string, message?: string) => {
    if (typeof fields === 'string') report({ kind: 'log', level, fields: {}, message: fields })
    else report({ kind: 'log', level, fields, message })
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
