import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import {
  IdempotencyKey,
  NewTask,
  TaskPage,
  TaskQuery,
  TaskRecord,
  TaskStarted,
  TaskTypeInfo
} from '../src/task.ts'
import { merge, ofApi, ofStart, readErrors, writeErrors } from './error-answers.ts'
import { describeStarted, logAccepted, originOf } from './started.ts'

const tags = ['tasks']
const Params = Type.Object({ taskId: Type.String() })

const tasks: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.requireApiToken)

  app.post(
    '/tasks',
    {
      schema: {
        tags,
        operationId: 'startTask',
        summary: 'Start a task',
        headers: Type.Object({ 'idempotency-key': Type.Optional(IdempotencyKey) }),
        body: NewTask,
        response: { 202: TaskStarted, ...writeErrors(merge(ofApi, ofStart)) }
      }
    },
    async (request, reply) => {
      const { type } = request.body
      const started = await app.tasks.startTask(
        request.body,
        request.headers['idempotency-key'],
        originOf(request)
      )
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
        operationId: 'listTasks',
        summary: 'List tasks, newest first',
        querystring: TaskQuery,
        response: { 200: TaskPage, ...readErrors(merge(ofApi, { 400: ['CURSOR_INVALID'] })) }
      }
    },
    async (request) => app.tasks.listTasks(request.query)
  )

  app.post(
    '/tasks/:taskId/cancel',
    {
      schema: {
        tags,
        operationId: 'cancelTask',
        summary: 'Cancel a task',
        params: Params,
        response: {
          202: TaskRecord,
          ...writeErrors(merge(ofApi, { 404: ['TASK_NOT_FOUND'], 409: ['TASK_ALREADY_FINISHED'] }))
        }
      }
    },
    async (request, reply) => reply.code(202).send(await app.tasks.cancelTask(request.params.taskId))
  )

  app.delete(
    '/tasks/:taskId',
    {
      schema: {
        tags,
        operationId: 'deleteTask',
        summary: 'Delete a finished task',
        params: Params,
        response: {
          204: Type.Null(),
          ...writeErrors(merge(ofApi, { 404: ['TASK_NOT_FOUND'], 409: ['TASK_NOT_FINISHED'] }))
        }
      }
    },
    async (request, reply) => {
      await app.tasks.removeTask(request.params.taskId)
      return reply.code(204).send(null)
    }
  )

  app.get(
    '/task-types',
    {
      schema: {
        tags,
        operationId: 'listTaskTypes',
        summary: 'List task types',
        response: { 200: Type.Array(TaskTypeInfo), ...readErrors({ 401: ofApi[401] ?? [] }) }
      }
    },
    async () => app.tasks.taskTypes()
  )
}

export default tasks
