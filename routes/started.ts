/** What every route that starts tasks says of one: to the client, and in the log. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Origin } from '../src/task.ts'

export function describeStarted(app: FastifyInstance, taskId: string, type: string) {
  const { streamUrl } = app.streamAddress(taskId)
  return { taskId, type, status: 'pending' as const, statusUrl: `/api/tasks/${taskId}`, streamUrl }
}

/** Where the tasks that a request starts come from. */
export function originOf({ id, traceparent }: FastifyRequest): Origin {
  return { requestId: id, traceparent }
}

/** One line for each task, so that what a client has started can be found by its name, address or request. */
export function logAccepted(request: FastifyRequest, task: { taskId: string; type: string }): void {
  request.log.info({ ...task, client: request.client, address: request.ip }, 'task accepted')
}
