/** The vocabulary of tasks: every shape that crosses an interface, as a schema and a type. */
import { type Static, Type } from '@sinclair/typebox'

const enumOf = <T extends string>(values: readonly T[], description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: values, description })

export const maxPriority = 10

export const statuses = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const
export type TaskStatus = (typeof statuses)[number]
export type FinalStatus = Exclude<TaskStatus, 'pending' | 'running'>
export const finalStatuses = ['completed', 'failed', 'cancelled'] as const
export const TaskStatus = enumOf(statuses, '`completed`, `failed` and `cancelled` are final.')

export const cancelReasons = ['client', 'shutdown', 'timeout'] as const
export type CancelReason = (typeof cancelReasons)[number]

/** Why a task was requeued. */
export const requeueReasons = ['retry', 'shutdown', 'lost'] as const
export type RequeueReason = (typeof requeueReasons)[number]

export const ErrorInfo = Type.Object(
  {
    code: Type.String({ description: "The thrown error's own code, else `TASK_FAILED`." }),
    message: Type.String()
  },
  { title: 'ErrorInfo' }
)
export type ErrorInfo = Static<typeof ErrorInfo>

export const Progress = Type.Object(
  {
    value: Type.Number({ minimum: 0, maximum: 1 }),
    text: Type.String({ maxLength: 1000 })
  },
  { title: 'Progress' }
)
export type Progress = Static<typeof Progress>

const TaskId = (description: string) => Type.String({ format: 'uuid', description })
const Time = (description: string) => Type.String({ format: 'date-time', description })

export const attemptOutcomes = ['completed', 'failed', 'cancelled', 'retry', 'shutdown', 'lost'] as const

export const Attempt = Type.Object(
  {
    attempt: Type.Integer({ minimum: 1 }),
    startedAt: Time('When it started.'),
    endedAt: Type.Optional(Time('Left out while it runs.')),
    outcome: Type.Optional(
      enumOf(attemptOutcomes, 'How it ended; `retry`, `shutdown` and `lost` are why the task was requeued.')
    ),
    error: Type.Optional(ErrorInfo)
  },
  { title: 'Attempt' }
)
export type Attempt = Static<typeof Attempt>

export const Labels = Type.Unsafe<Record<string, string>>({
  type: 'object',
  title: 'Labels',
  maxProperties: 16,
  propertyNames: { pattern: '^[a-z0-9][a-z0-9._-]{0,62}$' },
  additionalProperties: { type: 'string', minLength: 1, maxLength: 128 },
  description: 'What the client finds its task by: at most 16 keys in lower case, each with a value.'
})
export type Labels = Static<typeof Labels>

/** The truth about a task. Times are ISO 8601 UTC with milliseconds. */
export const TaskRecord = Type.Object(
  {
    taskId: Type.String({ format: 'uuid', description: 'A UUIDv7.' }),
    type: Type.String(),
    status: TaskStatus,
    progress: Progress,
    attempt: Type.Integer({ minimum: 0, description: 'Number of the latest attempt; 0 before the first.' }),
    priority: Type.Integer({ minimum: 0, maximum: maxPriority }),
    labels: Type.Optional(Labels),
    createdAt: Time('When it was accepted.'),
    runAt: Type.Optional(Time('Not to be started before then.')),
    startedAt: Type.Optional(Time('When its latest attempt started.')),
    endedAt: Type.Optional(Time('When it was completed, failed or cancelled.')),
    result: Type.Optional(Type.Unknown({ description: 'What the task returned.' })),
    error: Type.Optional(ErrorInfo),
    cancelReason: Type.Optional(enumOf(cancelReasons, 'Who or what cancelled it.')),
    attempts: Type.Optional(Type.Array(Attempt, { description: 'The latest 100, in order.' })),
    retryOf: Type.Optional(TaskId('The task that this one repeats.')),
    retriedAs: Type.Optional(TaskId('The latest task that repeats this one.')),
    requestId: Type.Optional(Type.String({ description: '`X-Request-Id` of the request that started it.' })),
    input: Type.Optional(Type.Unknown({ description: 'With `include=input` only.' }))
  },
  { title: 'TaskRecord' }
)
export type TaskRecord = Static<typeof TaskRecord>

/** A record as engines return it. Its result stays text: parsing and serialising a mebibyte would block the event loop. */
export type UnparsedRecord = Omit<TaskRecord, 'result' | 'input'> & {
  /** JSON text. */
  result?: string
  /** JSON text. */
  input?: string
}

/** A record in a list, without the fields whose size is up to the task. */
export const TaskSummary = Type.Omit(TaskRecord, ['result', 'attempts', 'input'], { title: 'TaskSummary' })
export type TaskSummary = Static<typeof TaskSummary>

/** The body of `POST /api/tasks`. */
export const NewTask = Type.Object(
  {
    type: Type.String({ minLength: 1, maxLength: 100, description: 'One of `GET /api/task-types`.' }),
    input: Type.Unknown({ description: "Checked against the type's own input schema." }),
    priority: Type.Optional(
      Type.Integer({ minimum: 0, maximum: maxPriority, default: 0, description: 'Higher runs first.' })
    ),
    labels: Type.Optional(Labels),
    runAt: Type.Optional(
      Time('Not to be started before then, at most 366 days ahead; one in the past runs at once.')
    ),
    delaySeconds: Type.Optional(
      Type.Number({ minimum: 0, maximum: 31_536_000, description: 'The same, from now; not both.' })
    )
  },
  { title: 'NewTask', additionalProperties: false }
)
export type NewTask = Static<typeof NewTask>

export const IdempotencyKey = Type.String({
  minLength: 1,
  maxLength: 255,
  description: 'The same key and body again gives the first answer.'
})

/** The body of `POST /api/tasks/batch`. */
export const NewTasks = Type.Object(
  {
    tasks: Type.Array(
      Type.Object(
        { ...NewTask.properties, idempotencyKey: Type.Optional(IdempotencyKey) },
        { additionalProperties: false }
      ),
      { minItems: 1, maxItems: 1000 }
    )
  },
  { title: 'NewTasks', additionalProperties: false }
)
export type NewTasks = Static<typeof NewTasks>

/** Where a task comes from. */
export interface Origin {
  requestId?: string | undefined
  traceparent?: string | undefined
}

/** The answer to `POST /api/tasks`. */
export const TaskStarted = Type.Object(
  {
    taskId: Type.String({ format: 'uuid' }),
    type: Type.String(),
    status: Type.Literal('pending'),
    statusUrl: Type.String(),
    streamUrl: Type.String({ description: 'With a ticket, if the API asks for tokens.' })
  },
  { title: 'TaskStarted' }
)
export type TaskStarted = Static<typeof TaskStarted>

export const TasksStarted = Type.Object({ tasks: Type.Array(TaskStarted) }, { title: 'TasksStarted' })

/** `key:value`, up to four times; all must hold. */
export const LabelQuery = Type.Array(
  Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,62}:[\\s\\S]{1,128}$' }),
  { maxItems: 4, description: '`key:value`; up to four, all of which must hold.' }
)

/** The query of `GET /api/tasks`. */
export const TaskQuery = Type.Object(
  {
    status: Type.Optional(TaskStatus),
    type: Type.Optional(Type.String({ maxLength: 100 })),
    label: Type.Optional(LabelQuery),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(Type.String({ maxLength: 200, description: '`nextCursor` of the page before.' }))
  },
  { additionalProperties: false }
)
export type TaskQuery = Static<typeof TaskQuery>

/** Which tasks a bulk operation applies to: at least one condition. */
export const TaskFilter = Type.Object(
  {
    status: Type.Optional(TaskStatus),
    type: Type.Optional(Type.String({ maxLength: 100 })),
    labels: Type.Optional(Labels),
    createdBefore: Type.Optional(Time('Accepted before then.')),
    createdAfter: Type.Optional(Time('Accepted after then.'))
  },
  { title: 'TaskFilter', additionalProperties: false }
)
export type TaskFilter = Static<typeof TaskFilter>

/** The body of a bulk operation. */
export const ManyTasks = Type.Object(
  {
    filter: TaskFilter,
    limit: Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 })
  },
  { title: 'ManyTasks', additionalProperties: false }
)
export type ManyTasks = Static<typeof ManyTasks>

/** The answer to a bulk operation. */
export const ManyDone = Type.Object(
  {
    done: Type.Integer({ minimum: 0, description: 'How many tasks were acted on.' }),
    more: Type.Boolean({ description: 'Whether others still match.' })
  },
  { title: 'ManyDone' }
)
export type ManyDone = Static<typeof ManyDone>

export const TaskPage = Type.Object(
  {
    tasks: Type.Array(TaskSummary, {
      description: 'Without `result`, `attempts` and `input`, which single tasks have.'
    }),
    nextCursor: Type.Optional(Type.String({ description: 'Left out on the last page.' }))
  },
  { title: 'TaskPage' }
)
export type TaskPage = Static<typeof TaskPage>

export const isolations = ['process', 'thread', 'inline'] as const
export type Isolation = (typeof isolations)[number]
export const shutdownPolicies = ['cancel', 'requeue'] as const
export type ShutdownPolicy = (typeof shutdownPolicies)[number]
export const lossPolicies = ['fail', 'requeue'] as const
export type LossPolicy = (typeof lossPolicies)[number]

export const TaskTypeInfo = Type.Object(
  {
    type: Type.String(),
    description: Type.String(),
    inputSchema: Type.Unknown({ description: 'JSON Schema.' }),
    outputSchema: Type.Optional(
      Type.Unknown({ description: 'JSON Schema of the result, if its type has one.' })
    ),
    isolation: enumOf(isolations, 'A child process, a worker thread, or the event loop.'),
    onShutdown: enumOf(shutdownPolicies, 'What happens when the grace period is over.'),
    onLost: enumOf(lossPolicies, "What happens when the service's process died while it ran."),
    timeoutSeconds: Type.Number(),
    concurrency: Type.Optional(
      Type.Integer({ description: 'How many run at once, in all processes together.' })
    )
  },
  { title: 'TaskType' }
)
export type TaskTypeInfo = Static<typeof TaskTypeInfo>

export const finalEventTypes = ['task_completed', 'task_failed', 'task_cancelled'] as const
export const eventTypes = ['task_started', 'progress_update', 'task_requeued', ...finalEventTypes] as const
export type EventType = (typeof eventTypes)[number]

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
