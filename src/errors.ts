import { format } from 'node:util'

/** Errors that a caller can cause or has to handle: a stable code and its message. */
export const messages = {
  FST_ERR_VALIDATION: '%s',
  TASK_TYPE_UNKNOWN: '%sUnknown task type %j; known types: %s',
  TASK_NOT_FOUND: 'There is no task with the id %s',
  FILTER_EMPTY: 'The filter needs at least one condition; without any it would match every task',
  TASK_ALREADY_FINISHED: 'Task %s is already %s',
  TASK_NOT_FINISHED: 'Task %s is %s; only a finished task can be deleted or retried',
  TASK_QUEUE_FULL: 'The queue is full: %d tasks are pending',
  IDEMPOTENCY_KEY_REUSED: '%s was already used with a different body',
  CURSOR_INVALID: 'The cursor is not valid; send the nextCursor of an earlier response',
  SERVICE_DRAINING: 'The service is draining and accepts no new tasks',
  SHUTTING_DOWN: 'The process is shutting down; its drain cannot be stopped',
  STORE_UNAVAILABLE: 'The task store is unavailable: %s',
  ATTEMPT_LOST: 'Attempt %d of task %s has ended; its writes are rejected'
} as const

export type ErrorCode = keyof typeof messages

/** An expected error; anything else that is thrown is a bug. */
export class TaskError extends Error {
  override readonly name = 'TaskError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, ...args: unknown[]) {
    super(format(messages[code], ...args))
    this.code = code
  }
}

/** A reason not to start that the operator can fix. The log shows its message without a stack. */
export class StartError extends Error {
  override readonly name = 'StartError'
}
