import type { Engine, EngineHost, Events, PendingCounts, ShutdownReport, Submitted } from './engine.ts'
import { TaskError } from './errors.ts'
import { Intake } from './intake.ts'
import type { Log } from './log.ts'
import { actOnMany, toSearch } from './many-tasks.ts'
import { parseRecord, recordText } from './stored.ts'
import {
  finalStatuses,
  isFinished,
  type ManyDone,
  type ManyTasks,
  type NewTask,
  type NewTasks,
  type Origin,
  type TaskPage,
  type TaskQuery,
  type TaskRecord,
  type TaskTypeInfo,
  type UnparsedRecord
} from './task.ts'
import { type ChangeFilter, TaskChanges } from './task-changes.ts'
import type { TaskExecutor } from './task-executor.ts'
import type { TaskMetrics } from './task-metrics.ts'
import { type LoadedTaskType, taskTypeInfo } from './task-types.ts'

export interface TaskServiceOptions {
  engine: Engine
  executor: TaskExecutor
  types: ReadonlyMap<string, LoadedTaskType>
  metrics: TaskMetrics
  /** How long `shutdown` waits for running tasks. */
  shutdownTimeoutMs: number
  /** False while the service drains. */
  acceptsTasks: () => boolean
  log: Log
}

// Bounds how many inputs are in memory at once.
const retriedAtOnce = 10

/** What routes call, over any engine. Errors are TaskErrors. */
export class TaskService {
  readonly executor: TaskExecutor
  readonly #options: TaskServiceOptions
  readonly #engine: Engine
  readonly #log: Log
  readonly #intake: Intake
  readonly #changes: TaskChanges
  #state: 'starting' | 'ready' | 'stopped' = 'starting'
  #stopping: Promise<void> | undefined

  constructor(options: TaskServiceOptions) {
    this.#options = options
    this.executor = options.executor
    this.#engine = options.engine
    this.#log = options.log
    const acceptsTasks = () => options.acceptsTasks() && this.#state !== 'stopped'
    this.#intake = new Intake({ ...options, acceptsTasks })
    this.#changes = new TaskChanges((watching) => this.#engine.setWatching(watching))
  }

  get state(): 'starting' | 'ready' | 'stopped' {
    return this.#state
  }

  /** Opens the store and recovers the tasks of an earlier process; the executor's `resume` then runs them. @throws StartError */
  async start(): Promise<void> {
    const host: EngineHost = {
      ...this.executor.host(),
      changed: (change) => this.#changes.publish(change),
      changesMissed: () => this.#changes.end()
    }
    await this.#engine.start(host)
    await this.#reportShutdowns()
    this.#state = 'ready'
  }

  /** If the store cannot be reached yet, the next process reports them. */
  async #reportShutdowns(): Promise<void> {
    try {
      for (let report = await this.#engine.takeShutdownReport(); report; ) {
        this.#options.metrics.recordShutdownDuration(report.seconds, report)
        report = await this.#engine.takeShutdownReport()
      }
    } catch (err) {
      this.#log.warn({ err }, 'the reports of earlier shutdowns cannot be read; the next start tries again')
    }
  }

  taskTypes(): TaskTypeInfo[] {
    return [...this.#options.types.values()].map(taskTypeInfo)
  }

  /**
   * Accepts a task; resolves when it is durable. With a key that was used for an equal task, resolves with that one.
   * @throws IDEMPOTENCY_KEY_REUSED, SERVICE_DRAINING, TASK_TYPE_UNKNOWN, FST_ERR_VALIDATION, TASK_QUEUE_FULL, STORE_UNAVAILABLE
   */
  async startTask(task: NewTask, idempotencyKey?: string, origin: Origin = {}): Promise<Submitted> {
    return this.#intake.submitOne({ task, path: 'body', idempotencyKey }, origin)
  }

  /** Accepts all of the tasks or none. As `startTask`; messages name the task by its index. */
  async startTasks({ tasks }: NewTasks, origin: Origin = {}): Promise<Submitted[]> {
    const wanted = tasks.map(({ idempotencyKey, ...task }, index) => {
      return { task, path: `body/tasks/${index}`, idempotencyKey }
    })
    return this.#intake.submit(wanted, origin)
  }

  /** Accepts a task that repeats a finished one. As `startTask`. @throws TASK_NOT_FOUND, TASK_NOT_FINISHED */
  async retryTask(
    taskId: string,
    idempotencyKey?: string,
    origin: Origin = {}
  ): Promise<Submitted & { type: string }> {
    const retryOf = { taskId, once: false }
    const path = 'body'
    let task: TaskRecord
    try {
      task = await this.getTask(taskId, { input: true })
    } catch (error) {
      // A replay is answered whatever has happened to the task since, also if it is gone.
      const replay = await this.#intake.findRetry(taskId, idempotencyKey)
      if (replay === undefined) throw error
      return { taskId: replay, replayed: true, type: (await this.getTask(replay)).type }
    }
    const submitted = await this.#intake.submitOne(
      { task: asNew(task), path, idempotencyKey, retryOf },
      origin,
      () => {
        if (!isFinished(task.status)) throw new TaskError('TASK_NOT_FINISHED', taskId, task.status)
      }
    )
    return { ...submitted, type: task.type }
  }

  /** With its input if that is asked for. @throws TASK_NOT_FOUND */
  async getTask(taskId: string, include: { input?: boolean } = {}): Promise<TaskRecord> {
    return parseRecord(await this.#find(taskId, include))
  }

  /** A task's record as JSON text. @throws TASK_NOT_FOUND */
  async getTaskText(taskId: string, include: { input?: boolean } = {}): Promise<string> {
    return recordText(await this.#find(taskId, include))
  }

  async #find(taskId: string, include: { input?: boolean }): Promise<UnparsedRecord> {
    const [record, input] = await Promise.all([
      this.#engine.get(taskId),
      include.input ? this.#engine.input(taskId) : undefined
    ])
    if (!record) throw new TaskError('TASK_NOT_FOUND', taskId)
    if (input !== undefined) record.input = input
    return record
  }

  /** Resolves when the task has ended, is not there, or `signal` is aborted. */
  async ended(taskId: string, signal: AbortSignal): Promise<void> {
    return this.#engine.ended(taskId, signal)
  }

  async listTasks(query: TaskQuery): Promise<TaskPage> {
    return this.#engine.list(query)
  }

  /** @throws TASK_NOT_FOUND, TASK_ALREADY_FINISHED */
  async cancelTask(taskId: string): Promise<TaskRecord> {
    return parseRecord(await this.#engine.cancel(taskId))
  }

  /** @throws TASK_NOT_FOUND, TASK_NOT_FINISHED */
  async removeTask(taskId: string): Promise<void> {
    return this.#engine.remove(taskId)
  }

  /** Cancels the matching tasks that are not being cancelled yet. @throws FILTER_EMPTY */
  async cancelTasks({ filter, limit }: ManyTasks): Promise<ManyDone> {
    const search = toSearch(filter, ['pending', 'running'], 'cancelling')
    return actOnMany(this.#engine, search, limit, async (taskIds) => {
      return { count: await this.#engine.cancelMany(taskIds) }
    })
  }

  /** Deletes the matching finished tasks. @throws FILTER_EMPTY */
  async removeTasks({ filter, limit }: ManyTasks): Promise<ManyDone> {
    const search = toSearch(filter, finalStatuses)
    return actOnMany(this.#engine, search, limit, async (taskIds) => {
      return { count: await this.#engine.removeMany(taskIds) }
    })
  }

  /** Retries matching finished tasks, each of them once; only failed ones unless a status is given. @throws FILTER_EMPTY */
  async retryTasks(
    { filter, limit }: ManyTasks,
    origin: Origin,
    accepted: (task: { taskId: string; type: string }) => void
  ): Promise<ManyDone> {
    const search = toSearch(filter, filter.status ? finalStatuses : ['failed'], 'retried')
    const retry = async (taskId: string): Promise<number | TaskError> => {
      try {
        const task = await this.getTask(taskId, { input: true })
        const wanted = { task: asNew(task), path: 'body', retryOf: { taskId, once: true } }
        const submitted = await this.#intake.submitOne(wanted, origin)
        if (submitted.replayed) return 0
        accepted({ taskId: submitted.taskId, type: task.type })
        return 1
      } catch (error) {
        if (!(error instanceof TaskError)) throw error
        if (error.code === 'TASK_QUEUE_FULL') return error
        // Skips tasks that were deleted meanwhile, or whose type no longer accepts their input.
        const passed = ['TASK_NOT_FOUND', 'TASK_TYPE_UNKNOWN', 'FST_ERR_VALIDATION']
        if (passed.includes(error.code)) return 0
        throw error
      }
    }
    return actOnMany(this.#engine, search, limit, async (taskIds) => {
      let count = 0
      for (let n = 0; n < taskIds.length; n += retriedAtOnce) {
        const results = await Promise.all(taskIds.slice(n, n + retriedAtOnce).map(retry))
        for (const result of results) if (typeof result === 'number') count += result
        const full = results.find((result) => typeof result !== 'number')
        if (full) return { count, full }
      }
      return { count }
    })
  }

  /** All tasks' changes from now on, as SSE text, until `signal` is aborted or the reader has to start over. */
  watch(filter: ChangeFilter, signal: AbortSignal) {
    return this.#changes.watch(filter, signal)
  }

  /** The task's events after an id, as Engine.follow gives them. @throws TASK_NOT_FOUND */
  async events(taskId: string, after: string | undefined, signal: AbortSignal): Promise<Events | 'ended'> {
    return this.#engine.follow(taskId, after, signal)
  }

  /** How many tasks run in this process. */
  getActiveTaskCount(): number {
    return this.executor.activeCount
  }

  /** Whether other processes can serve the stream of a task, or of all tasks if none is named. */
  isRemote(taskId: string | undefined): boolean {
    return this.#engine.shared && (taskId === undefined || !this.executor.isClaimed(taskId))
  }

  async pendingCounts(): Promise<PendingCounts> {
    return this.#engine.pendingCounts()
  }

  async oldestPendingMs(): Promise<number> {
    return this.#engine.oldestPendingMs()
  }

  /** Rejects while the store cannot be used or the service has been shut down. */
  async check(): Promise<void> {
    await this.#engine.check()
  }

  /** Stores the report of a finished shutdown for the next process, which exposes it to Prometheus. */
  async recordShutdown(report: ShutdownReport): Promise<void> {
    await this.#engine
      .recordShutdown(report)
      .catch((err) =>
        this.#log.error(
          { err },
          'the report of this shutdown cannot be stored; its duration will be missing from the metrics'
        )
      )
  }

  /** Stops accepting tasks, drains, then closes workers, timers and the store. Idempotent. */
  shutdown(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const started = this.#state === 'ready'
    this.#state = 'stopped'
    if (started) await this.executor.shutdown(this.#options.shutdownTimeoutMs)
    else await this.executor.close()
    await this.#engine.stop()
  }
}

/** A new task that is equal to an old one. */
function asNew({ type, input, priority, labels }: TaskRecord): NewTask {
  return { type, input, priority, ...(labels && { labels }) }
}
