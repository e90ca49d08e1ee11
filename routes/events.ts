import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { LabelQuery } from '../src/task.ts'
import { TaskChangeEvent } from '../src/task-events.ts'
import { ofApi, readErrors } from './error-answers.ts'
import { openStream } from './stream.ts'

/** All tasks' changes, live, for pages that show many tasks. */
const events: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/events',
    {
      sse: 'manual',
      exposeHeadRoute: false,
      onRequest: app.requireApiToken,
      schema: {
        tags: ['tasks'],
        operationId: 'followTasks',
        summary: 'Stream the state changes of all tasks (server-sent events)',
        description:
          'Live only: whoever connects again reads the list again. Events are those of a task, without ids, each with its `taskType`, and `task_accepted`. A reader that is too slow is disconnected.',
        querystring: Type.Object(
          {
            type: Type.Optional(Type.String({ maxLength: 100, description: 'Of tasks of this type alone.' })),
            label: Type.Optional(LabelQuery),
            progress: Type.Boolean({ default: false, description: 'Progress as well.' })
          },
          { additionalProperties: false }
        ),
        response: {
          200: { content: { 'text/event-stream': { schema: TaskChangeEvent } } },
          ...readErrors({ 401: ofApi[401] ?? [] })
        }
      }
    },
    async (request, reply) => {
      const { type, label: labels = [], progress } = request.query
      await openStream(app, reply, undefined, async (stream) => {
        const changes = await app.tasks.watch({ type, labels, progress }, stream.signal)
        stream.begin()
        for await (const { text, count } of changes) await stream.write(text, count)
      })
    }
  )
}

export default events
