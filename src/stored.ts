/** What both engines read out of what they store. */
import { TaskError } from './errors.ts'
import {
  type Attempt,
  type ErrorInfo,
  type EventType,
  isFinished,
  type RequeueReason,
  type TaskEvent,
  type TaskRecord,
  type TaskStatus,
  type TaskSummary,
  type UnparsedRecord
} from './task.ts'

/** A task's record as it is stored; times are epoch milliseconds, `progress` and `final_data` are JSON text. */
export interface StoredTask {
  task_id: string
  type: string
  status: TaskStatus
  /** The progress of its latest attempt; empty if there was none. */
  progress: string
  attempt: number
  priority: number
  /** JSON text. */
  labels: string | null
  created_at: number
  run_at: number | null
  started_at: number | null
  ended_at: number | null
  request_id: string | null
  retry_of: string | null
  retried_as: string | null
  /** The data of its final event, if it has ended; without the result where that is not needed. */
  final_data: string | null
}

/** An attempt after which its task was requeued; `data` is that of the `task_requeued` event, as JSON text. */
export interface StoredAttempt {
  attempt: number
  started_at: number
  ended_at: number
  data: string
}

/** How many attempts before the latest one are kept for a task's record. */
export const keptAttempts = 99

/** Events of a task that are kept; older progress is dropped, state changes never are. */
export const keptEvents = 1000

export interface StoredEvent {
  id: number | string
  type: EventType
  at: number
  /** JSON text. */
  data: string
}

export function toEvent(taskId: string, { id, type, at, data }: StoredEvent): TaskEvent {
  const timestamp = new Date(at).toISOString()
  return {
    id: String(id),
    type,
    json: `{"taskId":"${taskId}","type":"${type}","timestamp":"${timestamp}","data":${data}}`
  }
}

/** A whole record, with its result and its `attempts`; `requeued` are the attempts before the latest one. */
export function toRecord(row: StoredTask, requeued: readonly StoredAttempt[]): UnparsedRecord {
  const record: UnparsedRecord = toSummary(row)
  if (row.status === 'completed' && row.final_data !== null) record.result = row.final_data
  const attempts = requeued.map(toAttempt)
  const { attempt, startedAt, endedAt, status, error } = record
  if (startedAt !== undefined && attempts.at(-1)?.attempt !== attempt) {
    const latest: Attempt = { attempt, startedAt }
    if (endedAt !== undefined) latest.endedAt = endedAt
    if (isFinished(status)) latest.outcome = status
    if (error) latest.error = error
    attempts.push(latest)
  }
  if (attempts.length > 0) record.attempts = attempts
  return record
}

function toAttempt({ attempt, started_at, ended_at, data }: StoredAttempt): Attempt {
  const { reason, error }: { reason: RequeueReason; error?: ErrorInfo } = JSON.parse(data)
  const startedAt = new Date(started_at).toISOString()
  const endedAt = new Date(ended_at).toISOString()
  return { attempt, startedAt, endedAt, outcome: reason, ...(error && { error }) }
}

/** A record as it is in lists. */
export function toSummary(row: StoredTask): TaskSummary {
  const record: TaskSummary = {
    taskId: row.task_id,
    type: row.type,
    status: row.status,
    progress: row.progress === '' ? { value: 0, text: '' } : JSON.parse(row.progress),
    attempt: row.attempt,
    priority: row.priority,
    createdAt: new Date(row.created_at).toISOString()
  }
  if (row.labels !== null) record.labels = JSON.parse(row.labels)
  if (row.run_at !== null) record.runAt = new Date(row.run_at).toISOString()
  if (row.retry_of !== null) record.retryOf = row.retry_of
  if (row.retried_as !== null) record.retriedAs = row.retried_as
  if (row.request_id !== null) record.requestId = row.request_id
  if (row.started_at !== null) record.startedAt = new Date(row.started_at).toISOString()
  if (row.ended_at !== null) record.endedAt = new Date(row.ended_at).toISOString()
  if (row.final_data === null || row.status === 'completed') return record
  const data = JSON.parse(row.final_data)
  if (row.status === 'failed') record.error = data
  else record.cancelReason = data.reason
  return record
}

export function parseRecord({ result, input, ...record }: UnparsedRecord): TaskRecord {
  const whole: TaskRecord = record
  if (result !== undefined) whole.result = JSON.parse(result)
  if (input !== undefined) whole.input = JSON.parse(input)
  return whole
}

/** The record as JSON text, with its result and input exactly as stored. */
export function recordText({ result, input, ...record }: UnparsedRecord): string {
  let text = JSON.stringify(record)
  if (result !== undefined) text = `${text.slice(0, -1)},"result":${result}}`
  if (input !== undefined) text = `${text.slice(0, -1)},"input":${input}}`
  return text
}

export const encodeCursor = (seq: number) => Buffer.from(`seq:${seq}`).toString('base64url')

export function decodeCursor(cursor: string): number {
  const seq = Number(/^seq:(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[1])
  // Decoding ignores characters that are not base64.
  if (Number.isNaN(seq) || encodeCursor(seq) !== cursor) throw new TaskError('CURSOR_INVALID')
  return seq
}

/** How often an engine sweeps expired tasks, given the shortest retention. */
export const sweepIntervalMs = (retentionMs: number): number => Math.min(5_000, Math.max(100, retentionMs))
