import { createHash } from 'node:crypto'
import stringify from 'safe-stable-stringify'
import type { Submission } from './engine.ts'
import { TaskError } from './errors.ts'
import type { NewTask, Origin } from './task.ts'
import type { LoadedTaskType } from './task-types.ts'

/** A task that a client asks for. */
export interface TaskRequest {
  task: NewTask
  /** Where it is in the request, for messages. */
  path: string
  idempotencyKey?: string | undefined
  retryOf?: { taskId: string; once: boolean }
}

/** SQLite's driver ends a text at its first NUL; a lone surrogate is no UTF-8, and Redis's JSON decoder refuses it. */
const isStorable = (text: string) => text.isWellFormed() && !text.includes('\0')

const maxAheadMs = 366 * 86_400_000

/** The fingerprint of a task's body, if it has a key; made before the input's defaults are filled in. @throws FST_ERR_VALIDATION */
export function idempotencyOf({
  task,
  path,
  idempotencyKey,
  retryOf
}: TaskRequest): Submission['idempotency'] {
  if (idempotencyKey === undefined) return undefined
  const { type, input, priority = 0, labels, runAt, delaySeconds } = task
  const fingerprint = retryOf
    ? retryFingerprint(retryOf.taskId)
    : fingerprintOf({ type, input, priority, labels, runAt, delaySeconds })
  const name = path === 'body' ? 'This Idempotency-Key' : `${path}/idempotencyKey`
  if (!isStorable(idempotencyKey))
    throw new TaskError('FST_ERR_VALIDATION', `${name} must be well-formed text without NUL`)
  return { key: idempotencyKey, fingerprint, name }
}

/** A valid task as engines take it. @throws FST_ERR_VALIDATION */
export function toSubmission(
  { task, path, retryOf }: TaskRequest,
  type: LoadedTaskType,
  idempotency: Submission['idempotency'],
  { requestId, traceparent }: Origin
): Submission {
  const { input, priority = 0, labels } = task
  const problem = type.checkInput(input, `${path}/input`)
  if (problem !== undefined) throw new TaskError('FST_ERR_VALIDATION', problem)
  for (const [key, value] of Object.entries(labels ?? {}))
    if (!isStorable(value))
      throw new TaskError('FST_ERR_VALIDATION', `${path}/labels/${key} must be well-formed text without NUL`)
  const runAt = runAtOf(task, path)
  return {
    type: type.type,
    input: JSON.stringify(input),
    priority,
    ...(labels && Object.keys(labels).length > 0 && { labels }),
    ...(runAt !== undefined && { runAt }),
    ...(requestId !== undefined && { requestId }),
    ...(traceparent !== undefined && { traceparent }),
    ...(retryOf && { retryOf }),
    ...(idempotency && { idempotency })
  }
}

function runAtOf({ runAt, delaySeconds }: NewTask, path: string): number | undefined {
  if (runAt === undefined) return delaySeconds ? Math.round(Date.now() + delaySeconds * 1000) : undefined
  if (delaySeconds !== undefined)
    throw new TaskError('FST_ERR_VALIDATION', `${path} must not have both runAt and delaySeconds`)
  const at = Date.parse(runAt)
  if (!(at <= Date.now() + maxAheadMs))
    throw new TaskError('FST_ERR_VALIDATION', `${path}/runAt must be at most 366 days ahead`)
  return at
}

/** The fingerprint of a request to repeat a task. */
export const retryFingerprint = (taskId: string): string => fingerprintOf({ retryOf: taskId })

/** Equal for bodies that are equal as JSON values, whatever the order of their keys. */
function fingerprintOf(body: object): string {
  return createHash('sha256').update(stringify(body)).digest('base64')
}
