/** What both engines make of what they keep. */
import { TaskError } from './errors.ts'
import type { EventType, TaskEvent, TaskRecord, TaskStatus } from './task.ts'

/** A task's record as it is kept; times are epoch milliseconds, `progress` and `final_data` JSON text. */
export interface StoredTask {
  task_id: string
  type: string
  status: TaskStatus
  /** Of its latest attempt; empty if that has made none. */
  progress: string
  attempt: number
  priority: number
  created_at: number
  started_at: number | null
  ended_at: number | null
  /** The data of its final event, if it has ended. */
  final_data: string | null
}

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

export function toRecord(row: StoredTask): TaskRecord {
  const record: TaskRecord = {
    taskId: row.task_id,
    type: row.type,
    status: row.status,
    progress: row.progress === '' ? { value: 0, text: '' } : JSON.parse(row.progress),
    attempt: row.attempt,
    priority: row.priority,
    createdAt: new Date(row.created_at).toISOString()
  }
  if (row.started_at !== null) record.startedAt = new Date(row.started_at).toISOString()
  if (row.ended_at !== null) record.endedAt = new Date(row.ended_at).toISOString()
  if (row.final_data === null) return record
  const data = JSON.parse(row.final_data)
  if (row.status === 'completed') record.result = data
  else if (row.status === 'failed') record.error = data
  else record.cancelReason = data.reason
  return record
}

export const encodeCursor = (seq: number) => Buffer.from(`seq:${seq}`).toString('base64url')

export function decodeCursor(cursor: string): number {
  const seq = Number(/^seq:(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[1])
  // Decoding overlooks what does not belong to base64.
  if (Number.isNaN(seq) || encodeCursor(seq) !== cursor) throw new TaskError('CURSOR_INVALID')
  return seq
}
