/** What every route that starts tasks answers and logs about each of them. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Origin } from '../src/task.ts'

export function describeStarted(app: FastifyInstance, taskId: string, type: string) {
  const { streamUrl } = app.streamAddress(taskId)
  return { taskId, type, status: 'pending' as const, statusUrl: `/api/tasks/${taskId}`, streamUrl }
}

/** The origin of the tasks that a request starts. */
export function originOf({ id, traceparent }: FastifyRequest): Origin {
  return { requestId: id, traceparent }
}

/** One line for each task, so that a client's tasks can be found by its name, address or request. */
export function logAccepted(request: FastifyRequest, task: { taskId: string; type: string }): void {
  request.log.info({ ...task, client: request.client, address: request.ip }, 'task accepted')
}
