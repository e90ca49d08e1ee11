/** Calls of the API on an app in this process. */
import type { FastifyInstance } from 'fastify'
import type { TaskRecord } from '../src/task.ts'
import { inlineType } from './helper.ts'

export const unknownId = '01890a5d-ac96-774b-bcce-b302099a8057'

/** Returns its input. */
export const echo = inlineType({ type: 'echo', run: (input) => input })

export const post = (
  app: FastifyInstance,
  url: string,
  payload?: object,
  headers: Record<string, string> = {}
) => app.inject({ method: 'POST', url, headers, ...(payload && { payload }) })

/** Starts a task that must be accepted; its id. */
export async function start(app: FastifyInstance, payload: object): Promise<string> {
  const response = await post(app, '/api/tasks', payload)
  if (response.statusCode !== 202) throw new Error(`not accepted: ${response.body}`)
  return response.json().taskId
}

export const cancel = (app: FastifyInstance, taskId: string) => post(app, `/api/tasks/${taskId}/cancel`)

export const record = async (app: FastifyInstance, taskId: string): Promise<TaskRecord> =>
  (await app.inject(`/api/tasks/${taskId}`)).json()

/** The record of a task once it has ended, which is when its stream ends. */
export async function ended(app: FastifyInstance, taskId: string): Promise<TaskRecord> {
  await app.inject(`/api/tasks/${taskId}/stream`)
  return record(app, taskId)
}
