import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { IdempotencyKey, TaskRecord, TaskStarted } from '../src/task.ts'
import { merge, ofApi, ofStart, readErrors, writeErrors } from './error-answers.ts'
import { describeStarted, logAccepted, originOf } from './started.ts'

// Sent as the stored text: parsing and serialising a large result would block the event loop.
const RecordText = Type.Unsafe<string>(TaskRecord)

const StreamTicket = Type.Object(
  {
    streamUrl: Type.String(),
    expiresAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
      description: 'Null if the API asks for no token.'
    })
  },
  { title: 'StreamTicket' }
)

/** One task, for clients with a token or a ticket for it. */
const task: FastifyPluginAsyncTypebox = async (app) => {
  const tags = ['tasks']
  const params = Type.Object({ taskId: Type.String() })

  app.get(
    '/tasks/:taskId',
    {
      onRequest: app.requireApiTokenOrTicket,
      schema: {
        tags,
        operationId: 'getTask',
        summary: 'Get a task',
        params,
        querystring: Type.Object({
          wait: Type.Optional(
            Type.Number({
              minimum: 0,
              maximum: 60,
              description: 'Seconds to wait for the end of the task, at most, before it is read.'
            })
          ),
          include: Type.Optional(
            Type.Unsafe<'input'>({ type: 'string', enum: ['input'], description: 'What else to answer.' })
          ),
          ticket: Type.Optional(Type.String({ description: 'From a `streamUrl`, in place of a token.' }))
        }),
        response: {
          200: RecordText,
          ...readErrors(merge(ofApi, { 401: ['TICKET_INVALID'], 404: ['TASK_NOT_FOUND'] }))
        }
      }
    },
    async (request, reply) => {
      const { taskId } = request.params
      const { wait = 0, include } = request.query
      if (wait > 0) {
        await app.longPolls.wait(reply, wait * 1000, (signal) => app.tasks.ended(taskId, signal))
      }
      const text = await app.tasks.getTaskText(taskId, { input: include === 'input' })
      return reply.type('application/json; charset=utf-8').send(text)
    }
  )

  app.post(
    '/tasks/:taskId/stream-ticket',
    {
      onRequest: app.requireApiToken,
      schema: {
        tags,
        operationId: 'createStreamTicket',
        summary: 'Create a stream ticket, for clients that cannot send headers',
        description: 'EventSource sends no token: this address carries a ticket for one task in its place.',
        params,
        response: {
          201: StreamTicket,
          ...writeErrors(merge(ofApi, { 404: ['TASK_NOT_FOUND'] }))
        }
      }
    },
    async (request, reply) => {
      const { taskId } = request.params
      await app.tasks.getTaskText(taskId)
      return reply.code(201).send(app.streamAddress(taskId))
    }
  )

  app.post(
    '/tasks/:taskId/retry',
    {
      onRequest: app.requireApiToken,
      schema: {
        tags,
        operationId: 'retryTask',
        summary: 'Retry a finished task, as a new task',
        params,
        headers: Type.Object({ 'idempotency-key': Type.Optional(IdempotencyKey) }),
        response: {
          202: TaskStarted,
          ...writeErrors(merge(ofApi, ofStart, { 404: ['TASK_NOT_FOUND'], 409: ['TASK_NOT_FINISHED'] }))
        }
      }
    },
    async (request, reply) => {
      const key = request.headers['idempotency-key']
      const started = await app.tasks.retryTask(request.params.taskId, key, originOf(request))
      const { taskId, type, replayed } = started
      if (replayed) reply.header('idempotent-replayed', 'true')
      else logAccepted(request, { taskId, type })
      const answer = describeStarted(app, taskId, type)
      return reply.code(202).header('location', answer.statusUrl).send(answer)
    }
  )
}

export default task
