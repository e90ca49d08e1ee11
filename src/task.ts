/** The vocabulary: what a task, its record, its events and a task type are. Everything else speaks in these. */
import { type Static, type TSchema, Type } from '@sinclair/typebox'

const StringEnum = <T extends string>(values: readonly T[], options = {}) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], ...options })

export const statuses = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const
export const TaskStatus = StringEnum(statuses, { description: 'Nothing leaves a finished state.' })
export type TaskStatus = Static<typeof TaskStatus>
export type FinalStatus = Exclude<TaskStatus, 'pending' | 'running'>

export const CancelReason = StringEnum(['client', 'shutdown', 'timeout'] as const)
export type CancelReason = Static<typeof CancelReason>

/** Why a task was put back into the queue. */
export type RequeueReason = 'retry' | 'shutdown' | 'lost'

export const ErrorInfo = Type.Object({
  code: Type.String({ description: "The thrown error's own code, else `TASK_FAILED`." }),
  message: Type.String()
})
export type ErrorInfo = Static<typeof ErrorInfo>
