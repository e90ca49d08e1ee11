/** The events of tasks as clients read them, each as a schema. */
import { Type } from '@sinclair/typebox'
import { cancelReasons, ErrorInfo, eventTypes, Progress, requeueReasons } from './task.ts'

const Data: Record<(typeof eventTypes)[number], ReturnType<typeof Type.Unsafe>> = {
  task_started: Type.Object({ attempt: Type.Integer({ minimum: 1 }) }),
  progress_update: Progress,
  task_requeued: Type.Object({
    reason: Type.Unsafe({ type: 'string', enum: requeueReasons }),
    error: Type.Optional(ErrorInfo)
  }),
  task_completed: Type.Unknown({ description: 'The result.' }),
  task_failed: ErrorInfo,
  task_cancelled: Type.Object({ reason: Type.Unsafe({ type: 'string', enum: cancelReasons }) })
}

const Common = {
  taskId: Type.String({ format: 'uuid' }),
  timestamp: Type.String({ format: 'date-time', description: 'When it happened.' })
}
const TaskTypeName = { taskType: Type.String({ description: 'The type of the task.' }) }

/** A schema's title in PascalCase. */
const pascal = (name: string) => name.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())

const events = (more: object, suffix: string) =>
  eventTypes.map((type) =>
    Type.Object(
      { ...Common, type: Type.Literal(type), ...more, data: Data[type] },
      { title: `${pascal(type)}${suffix}` }
    )
  )

/** `data` of each message of a task's stream; the last one is completed, failed or cancelled. */
export const TaskEventMessage = Type.Union(events({}, 'Event'), { title: 'TaskEvent' })

const TaskAccepted = Type.Object(
  {
    ...Common,
    type: Type.Literal('task_accepted'),
    ...TaskTypeName,
    data: Type.Object({
      status: Type.Literal('pending'),
      runAt: Type.Optional(Type.String({ format: 'date-time' }))
    })
  },
  { title: 'TaskAcceptedChange' }
)

/** `data` of each message of the stream of all tasks. */
export const TaskChangeEvent = Type.Union([TaskAccepted, ...events(TaskTypeName, 'Change')], {
  title: 'TaskChange'
})
