import { format } from 'node:util'

/** Every error that a caller can cause or must handle: a stable code and its message. */
export const messages = {
  FST_ERR_VALIDATION: '%s',
  TASK_TYPE_UNKNOWN: '%sNo task type is called %j; known are %s',
  TASK_NOT_FOUND: 'No task has the id %s',
  FILTER_EMPTY: 'The filter has no condition; it would match every task',
  TASK_ALREADY_FINISHED: 'Task %s is already %s',
  TASK_NOT_FINISHED: 'Task %s is %s; only a finished task can be deleted or retried',
  TASK_QUEUE_FULL: 'The queue holds %d tasks and takes no more for now',
  IDEMPOTENCY_KEY_REUSED: '%s was used before with another body',
  CURSOR_INVALID: 'The cursor is not one that this service gave out',
  SERVICE_DRAINING: 'The service is draining and takes no new tasks',
  SHUTTING_DOWN: 'The process is exiting; its drain cannot be undone',
  STORE_UNAVAILABLE: 'The task store cannot be reached: %s',
  ATTEMPT_LOST: 'Attempt %d of task %s is over; nothing it does is recorded any more'
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

/** The process cannot start, for a reason that its operator can mend; the message is for them, without a stack. */
export class StartError extends Error {
  override readonly name = 'StartError'
}
