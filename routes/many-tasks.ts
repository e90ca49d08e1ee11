import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ManyDone, ManyTasks, NewTasks, TasksStarted } from '../src/task.ts'
import { merge, ofApi, ofStart, writeErrors } from './error-answers.ts'
import { describeStarted, logAccepted, originOf } from './started.ts'

/** Batches and bulk operations. */
const manyTasks: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.requireApiToken)
  const tags = ['tasks']

  app.post(
    '/tasks/batch',
    {
      schema: {
        tags,
        operationId: 'startTasks',
        summary: 'Start a batch of up to 1,000 tasks: all of them or none',
        body: NewTasks,
        response: { 202: TasksStarted, ...writeErrors(merge(ofApi, ofStart)) }
      }
    },
    async (request, reply) => {
      const { tasks } = request.body
      const started = await app.tasks.startTasks(request.body, originOf(request))
      if (started.every(({ replayed }) => replayed)) reply.header('idempotent-replayed', 'true')
      const answers = started.map(({ taskId, replayed }, index) => {
        const type = tasks[index]?.type ?? ''
        if (!replayed) logAccepted(request, { taskId, type })
        return describeStarted(app, taskId, type)
      })
      return reply.code(202).send({ tasks: answers })
    }
  )

  const schema = (operationId: string, summary: string, codes: Parameters<typeof merge>[0] = {}) => ({
    tags,
    operationId,
    summary,
    description: 'Works in slices, newest tasks first. Repeat the call while the response says `more: true`.',
    body: ManyTasks,
    response: { 200: ManyDone, ...writeErrors(merge(ofApi, { 400: ['FILTER_EMPTY'] }, codes)) }
  })

  app.post(
    '/tasks/cancel',
    { schema: schema('cancelTasks', 'Cancel the tasks that match a filter') },
    async (request) => app.tasks.cancelTasks(request.body)
  )

  app.post(
    '/tasks/retry',
    {
      schema: schema(
        'retryTasks',
        'Retry the finished tasks that match a filter; only failed ones by default',
        { 429: ['TASK_QUEUE_FULL'], 503: ['SERVICE_DRAINING'] }
      )
    },
    async (request) =>
      app.tasks.retryTasks(request.body, originOf(request), (task) => logAccepted(request, task))
  )

  app.post(
    '/tasks/delete',
    { schema: schema('deleteTasks', 'Delete the finished tasks that match a filter') },
    async (request) => app.tasks.removeTasks(request.body)
  )
}

export default manyTasks
