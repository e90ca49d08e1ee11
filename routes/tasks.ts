import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { NewTask, TaskPage, TaskQuery, TaskRecord, TaskStarted, TaskTypeInfo } from '../src/task.ts'
import { errors } from './error-answers.ts'
import { describeStarted, logAccepted } from './started.ts'

const tags = ['tasks']
const Params = Type.Object({ taskId: Type.String() })
const Headers = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'The same key and body again gives the first answer.'
    })
  )
})

const tasks: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.requireApiToken)

  app.post(
    '/tasks',
    {
      schema: {
        tags,
        summary: 'Start a task',
        headers: Headers,
        body: NewTask,
        response: { 202: TaskStarted, ...errors(400, 413, 415, 422, 429, 503) }
      }
    },
    async (request, reply) => {
      const { type } = request.body
      const started = await app.tasks.startTask(request.body, request.headers['idempotency-key'])
      const { taskId, replayed } = started
      if (replayed) reply.header('idempotent-replayed', 'true')
      else logAccepted(request, { taskId, type })
      const answer = describeStarted(app, taskId, type)
      return reply.code(202).header('location', answer.statusUrl).send(answer)
    }
  )

  app.get(
    '/tasks',
    {
      schema: {
        tags,
        summary: 'List tasks, newest first',
        querystring: TaskQuery,
        response: { 200: TaskPage, ...errors(400) }
      }
    },
    async (request) => app.tasks.listTasks(request.query)
  )

  app.post(
    '/tasks/:taskId/cancel',
    {
      schema: {
        tags,
        summary: 'Cancel a task',
        params: Params,
        response: { 202: TaskRecord, ...errors(404, 409) }
      }
    },
    async (request, reply) => reply.code(202).send(await app.tasks.cancelTask(request.params.taskId))
  )

  app.delete(
    '/tasks/:taskId',
    {
      schema: {
        tags,
        summary: 'Forget a finished task',
        params: Params,
        response: { 204: Type.Null(), ...errors(404, 409) }
      }
    },
    async (request, reply) => {
      await app.tasks.removeTask(request.params.taskId)
      return reply.code(204).send(null)
    }
  )

  app.get(
    '/task-types',
    { schema: { tags, summary: 'List what can be run', response: { 200: Type.Array(TaskTypeInfo) } } },
    async () => app.tasks.taskTypes()
  )
}

export default tasks
