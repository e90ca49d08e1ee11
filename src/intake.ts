import type { Engine, Submission, Submitted } from './engine.ts'
import { type ErrorCode, TaskError } from './errors.ts'
import { idempotencyOf, retryFingerprint, type TaskRequest, toSubmission } from './submission.ts'
import type { Origin } from './task.ts'
import type { RejectReason, TaskMetrics } from './task-metrics.ts'
import type { LoadedTaskType } from './task-types.ts'

export interface IntakeOptions {
  engine: Engine
  types: ReadonlyMap<string, LoadedTaskType>
  metrics: TaskMetrics
  acceptsTasks: () => boolean
}

/** Checks new tasks before the engine gets them. Errors are TaskErrors, and are counted. */
export class Intake {
  readonly #options: IntakeOptions

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  async submitOne(wanted: TaskRequest, origin: Origin, check?: () => void): Promise<Submitted> {
    const [submitted] = await this.submit([wanted], origin, check)
    if (!submitted) throw new Error('the engine has not answered for the task')
    return submitted
  }

  /** Accepts all of them or none. `check` may reject tasks that are not replays. */
  async submit(wanted: readonly TaskRequest[], origin: Origin, check = () => {}): Promise<Submitted[]> {
    const keys = wanted.map(idempotencyOf)
    const replays = await this.#findReplays(keys)
    if (replays) return replays
    const { engine, metrics, acceptsTasks } = this.#options
    if (!acceptsTasks()) throw this.#reject('draining', 'SERVICE_DRAINING')
    check()
    const submissions = wanted.map((one, index) => this.#toSubmission(one, keys[index], origin))
    try {
      return await engine.submit(submissions)
    } catch (error) {
      const code = error instanceof TaskError ? error.code : undefined
      if (code === 'TASK_QUEUE_FULL') metrics.rejected.inc({ reason: 'queue_full' })
      if (code === 'STORE_UNAVAILABLE') metrics.rejected.inc({ reason: 'store_unavailable' })
      throw error
    }
  }

  /** The id of the retry that a key was used for, if it was. */
  async findRetry(retryOf: string, idempotencyKey: string | undefined): Promise<string | undefined> {
    if (idempotencyKey === undefined) return undefined
    const used = await this.#options.engine.findByKey(idempotencyKey)
    return used?.fingerprint === retryFingerprint(retryOf) ? used.taskId : undefined
  }

  /** The tasks that the keys were used for, if all of them were. Replays are answered even while draining. */
  async #findReplays(keys: readonly Submission['idempotency'][]): Promise<Submitted[] | undefined> {
    if (keys.every((key) => key === undefined)) return undefined
    const used = await Promise.all(keys.map((one) => one && this.#options.engine.findByKey(one.key)))
    const replays: Submitted[] = []
    for (const [index, key] of keys.entries()) {
      const task = used[index]
      if (!key || !task) continue
      if (task.fingerprint !== key.fingerprint)
        throw new TaskError('IDEMPOTENCY_KEY_REUSED', key.name ?? 'The key')
      replays.push({ taskId: task.taskId, replayed: true })
    }
    return replays.length === keys.length ? replays : undefined
  }

  #toSubmission(wanted: TaskRequest, idempotency: Submission['idempotency'], origin: Origin): Submission {
    const { types, metrics } = this.#options
    const { task, path } = wanted
    const type = types.get(task.type)
    if (!type) {
      const known = [...types.keys()].join(', ')
      const where = path === 'body' ? '' : `${path}/type: `
      throw this.#reject('unknown_type', 'TASK_TYPE_UNKNOWN', where, task.type, known)
    }
    try {
      return toSubmission(wanted, type, idempotency, origin)
    } catch (error) {
      metrics.rejected.inc({ reason: 'invalid' })
      throw error
    }
  }

  #reject(reason: RejectReason, code: ErrorCode, ...args: unknown[]): TaskError {
    this.#options.metrics.rejected.inc({ reason })
    return new TaskError(code, ...args)
  }
}
