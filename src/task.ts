/** The vocabulary of tasks: every shape that crosses a border, as a schema and as a type. */
import { type Static, Type } from '@sinclair/typebox'

const enumOf = <T extends string>(values: readonly T[], description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: values, description })

export const statuses = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const
export type TaskStatus = (typeof statuses)[number]
export type FinalStatus = Exclude<TaskStatus, 'pending' | 'running'>
export const TaskStatus = enumOf(statuses, 'Nothing leaves `completed`, `failed` or `cancelled`.')

export const cancelReasons = ['client', 'shutdown', 'timeout'] as const
export type CancelReason = (typeof cancelReasons)[number]

/** Why a task was put back into the queue. */
export type RequeueReason = 'retry' | 'shutdown' | 'lost'

export const ErrorInfo = Type.Object({
  code: Type.String({ description: "The thrown error's own code, else `TASK_FAILED`." }),
  message: Type.String()
})
export type ErrorInfo = Static<typeof ErrorInfo>

export const Progress = Type.Object({
  value: Type.Number({ minimum: 0, maximum: 1 }),
  text: Type.String({ maxLength: 1000 })
})
export type Progress = Static<typeof Progress>

const Time = (description: string) => Type.String({ format: 'date-time', description })

export const attemptOutcomes = ['completed', 'failed', 'cancelled', 'retry', 'shutdown', 'lost'] as const

export const Attempt = Type.Object({
  attempt: Type.Integer({ minimum: 1 }),
  startedAt: Time('When it started.'),
  endedAt: Type.Optional(Time('Left out while it runs.')),
  outcome: Type.Optional(
    enumOf(attemptOutcomes, 'How it ended; `retry`, `shutdown` and `lost` are why the task was requeued.')
  ),
  error: Type.Optional(ErrorInfo)
})
export type Attempt = Static<typeof Attempt>

/** The truth about a task. Times are ISO 8601 UTC with milliseconds. */
export const TaskRecord = Type.Object(
  {
    taskId: Type.String({ format: 'uuid', description: 'A UUIDv7.' }),
    type: Type.String(),
    status: TaskStatus,
    progress: Progress,
    attempt: Type.Integer({ minimum: 0, description: 'Numbers the starts, whatever their reason.' }),
    priority: Type.Integer({ minimum: 0, maximum: 10 }),
    createdAt: Time('When it was accepted.'),
    startedAt: Type.Optional(Time('When its latest attempt started.')),
    endedAt: Type.Optional(Time('When it was completed, failed or cancelled.')),
    result: Type.Optional(Type.Unknown({ description: 'What the task returned.' })),
    error: Type.Optional(ErrorInfo),
    cancelReason: Type.Optional(enumOf(cancelReasons, 'Who or what cancelled it.')),
    attempts: Type.Optional(Type.Array(Attempt, { description: 'The latest 100, in order.' }))
  },
  { title: 'TaskRecord' }
)
export type TaskRecord = Static<typeof TaskRecord>

/** A record as the engines give it: to parse and serialise a result of a mebibyte would hold up the event loop. */
export type UnparsedRecord = Omit<TaskRecord, 'result'> & { /** JSON text. */ result?: string }

/** A record in a list, whose cost must not depend on what tasks return. */
export const TaskSummary = Type.Omit(TaskRecord, ['result', 'attempts'], { title: 'TaskSummary' })
export type TaskSummary = Static<typeof TaskSummary>

/** The body of `POST /api/tasks`. */
export const NewTask = Type.Object(
  {
    type: Type.String({ minLength: 1, maxLength: 100, description: 'One of `GET /api/task-types`.' }),
    input: Type.Unknown({ description: "Checked against the type's own input schema." }),
    priority: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 10, default: 0, description: 'Higher runs first.' })
    )
  },
  { additionalProperties: false }
)
export type NewTask = Static<typeof NewTask>

/** The answer to `POST /api/tasks`. */
export const TaskStarted = Type.Object({
  taskId: Type.String({ format: 'uuid' }),
  type: Type.String(),
  status: Type.Literal('pending'),
  statusUrl: Type.String(),
  streamUrl: Type.String()
})

/** The query of `GET /api/tasks`. */
export const TaskQuery = Type.Object(
  {
    status: Type.Optional(TaskStatus),
    type: Type.Optional(Type.String({ maxLength: 100 })),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(Type.String({ maxLength: 200, description: '`nextCursor` of the page before.' }))
  },
  { additionalProperties: false }
)
export type TaskQuery = Static<typeof TaskQuery>

export const TaskPage = Type.Object({
  tasks: Type.Array(TaskSummary, {
    description: 'Without `result` and `attempts`, which single tasks have.'
  }),
  nextCursor: Type.Optional(Type.String({ description: 'Left out on the last page.' }))
})
export type TaskPage = Static<typeof TaskPage>

export const isolations = ['process', 'thread', 'inline'] as const
export type Isolation = (typeof isolations)[number]

export const TaskTypeInfo = Type.Object({
  type: Type.String(),
  description: Type.String(),
  inputSchema: Type.Unknown({ description: 'JSON Schema.' }),
  isolation: enumOf(isolations, 'A child process, a worker thread, or the event loop.'),
  onShutdown: enumOf(['cancel', 'requeue'] as const, 'What happens when the grace period is over.'),
  timeoutSeconds: Type.Number()
})
export type TaskTypeInfo = Static<typeof TaskTypeInfo>

export const finalEventTypes = ['task_completed', 'task_failed', 'task_cancelled'] as const
export type EventType =
  | 'task_started'
  | 'progress_update'
  | 'task_requeued'
  | (typeof finalEventTypes)[number]

/** One line of a task's history. `json` is `{taskId, type, timestamp, data}`, serialised once for all readers. */
export interface TaskEvent {
  /** Opaque to clients; only grows within a task. */
  id: string
  type: EventType
  json: string
}

export const isFinalEvent = (type: EventType): boolean =>
  (finalEventTypes as readonly string[]).includes(type)
export const isFinished = (status: TaskStatus): status is FinalStatus =>
  status !== 'pending' && status !== 'running'
