import type {
  Claim,
  Engine,
  EngineHost,
  Events,
  Outcome,
  Settled,
  ShutdownReport,
  Submitted
} from './engine.ts'
import { TaskError } from './errors.ts'
import { Intake } from './intake.ts'
import type { Log } from './log.ts'
import { actOnMany, toSearch } from './many-tasks.ts'
import type { Run, Runner, RunResult } from './runner.ts'
import { type DrainParticipant, within } from './shutdown.ts'
import { parseRecord, recordText } from './stored.ts'
import {
  type ErrorInfo,
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
import type { TaskMetrics } from './task-metrics.ts'
import type { LoadedTaskType } from './task-types.ts'

export interface TaskServiceOptions {
  engine: Engine
  runner: Runner
  types: ReadonlyMap<string, LoadedTaskType>
  metrics: TaskMetrics
  /** Whether a drain runs what is pending, instead of leaving it to the next process. */
  drainPending: boolean
  /** Whether pending tasks are gone with the process, so that nobody runs what is left. */
  isVolatile: boolean
  /** How long `shutdown` waits for running tasks. */
  shutdownTimeoutMs: number
  /** False while the service drains. */
  acceptsTasks: () => boolean
  log: Log
}

interface Held {
  attempt: number
  /** On the monotonic clock. */
  startedAt: number
  run: Run | undefined
  type: LoadedTaskType | undefined
}

// Their inputs are in memory meanwhile.
const retriedAtOnce = 10

/** The rules of the task service, over any engine. Errors are TaskErrors. */
export class TaskService implements DrainParticipant {
  readonly #options: TaskServiceOptions
  readonly #engine: Engine
  readonly #types: ReadonlyMap<string, LoadedTaskType>
  readonly #metrics: TaskMetrics
  readonly #log: Log
  readonly #intake: Intake
  readonly #changes: TaskChanges
  /** Claimed tasks whose outcome is not durable yet; no run before it has begun. */
  readonly #held = new Map<string, Held>()
  /** Those of them that have a slot. */
  readonly #active = new Set<string>()
  #state: 'starting' | 'ready' | 'stopped' = 'starting'
  #cancelling = false
  #forced = false
  #onEnded: (taskId: string) => void = () => {}
  #wakeIdle: (() => void)[] = []
  #stopping: Promise<void> | undefined

  constructor(options: TaskServiceOptions) {
    this.#options = options
    this.#engine = options.engine
    this.#types = options.types
    this.#metrics = options.metrics
    this.#log = options.log
    const acceptsTasks = () => options.acceptsTasks() && this.#state !== 'stopped'
    this.#intake = new Intake({ ...options, acceptsTasks })
    this.#changes = new TaskChanges((watching) => this.#engine.setWatching(watching))
  }

  get state(): 'starting' | 'ready' | 'stopped' {
    return this.#state
  }

  /** Called with each task whose end this process has recorded. */
  onEnded(listener: (taskId: string) => void): void {
    this.#onEnded = listener
  }

  /** Opens the store and recovers what an earlier process left; `resume` then begins to run tasks. StartError. */
  async start(): Promise<void> {
    const limited = [...this.#types].flatMap(([type, { concurrency }]) =>
      concurrency === undefined ? [] : [[type, concurrency] as const]
    )
    const host: EngineHost = {
      limits: new Map(limited),
      run: (claim) => this.#run(claim),
      lost: ({ type, requeues }) => this.#judgeLost(type, requeues),
      freed: (taskId) => this.#freed(taskId),
      settled: (task, outcome) => this.#settled(task, outcome),
      dropped: (taskId, attempt) => this.#over(taskId, attempt),
      committed: (seconds) => this.#metrics.commit.observe(seconds),
      changed: (change) => this.#changes.publish(change),
      changesMissed: () => this.#changes.end()
    }
    await this.#engine.start(host)
    await this.#reportShutdowns()
    this.#state = 'ready'
  }

  /** Of a store that cannot be reached yet, the next process will report them. */
  async #reportShutdowns(): Promise<void> {
    try {
      for (let report = await this.#engine.takeShutdownReport(); report; ) {
        this.#metrics.recordShutdownDuration(report.seconds, report)
        report = await this.#engine.takeShutdownReport()
      }
    } catch (err) {
      this.#log.warn({ err }, 'finished shutdowns are not reported')
    }
  }

  taskTypes(): TaskTypeInfo[] {
    return [...this.#types.values()].map(
      ({
        type,
        description,
        inputSchema,
        outputSchema,
        isolation,
        onShutdown,
        onLost,
        timeoutMs,
        concurrency
      }) => ({
        type,
        description,
        inputSchema,
        ...(outputSchema && { outputSchema }),
        isolation,
        onShutdown,
        onLost,
        timeoutSeconds: timeoutMs / 1000,
        ...(concurrency !== undefined && { concurrency })
      })
    )
  }

  /**
   * Accepts a task; resolves when it is durable. With a key that was used for an equal task, resolves with that one.
   * IDEMPOTENCY_KEY_REUSED, SERVICE_DRAINING, TASK_TYPE_UNKNOWN, FST_ERR_VALIDATION, TASK_QUEUE_FULL, STORE_UNAVAILABLE.
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

  /** Accepts a task that repeats a finished one. As `startTask`, and TASK_NOT_FOUND, TASK_NOT_FINISHED. */
  async retryTask(
    taskId: string,
    idempotencyKey?: string,
    origin: Origin = {}
  ): Promise<Submitted & { type: string }> {
    const task = await this.getTask(taskId, { input: true })
    const retryOf = { taskId, once: false }
    const path = 'body'
    // A replay is answered whatever has become of the task since.
    const submitted = await this.#intake.submitOne(
      { task: asNew(task), path, idempotencyKey, retryOf },
      origin,
      () => {
        if (!isFinished(task.status)) throw new TaskError('TASK_NOT_FINISHED', taskId, task.status)
      }
    )
    return { ...submitted, type: task.type }
  }

  /** With its input if that is asked for. TASK_NOT_FOUND. */
  async getTask(taskId: string, include: { input?: boolean } = {}): Promise<TaskRecord> {
    return parseRecord(await this.#find(taskId, include))
  }

  /** A task's record as JSON text. TASK_NOT_FOUND. */
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

  /** TASK_NOT_FOUND, TASK_ALREADY_FINISHED. */
  async cancelTask(taskId: string): Promise<TaskRecord> {
    return parseRecord(await this.#engine.cancel(taskId))
  }

  /** TASK_NOT_FOUND, TASK_NOT_FINISHED. */
  async removeTask(taskId: string): Promise<void> {
    return this.#engine.remove(taskId)
  }

  /** Cancels what matches and is not being cancelled yet. FILTER_EMPTY. */
  async cancelTasks({ filter, limit }: ManyTasks): Promise<ManyDone> {
    const search = toSearch(filter, ['pending', 'running'], 'cancelling')
    return actOnMany(this.#engine, search, limit, async (taskIds) => {
      return { count: await this.#engine.cancelMany(taskIds) }
    })
  }

  /** Removes the finished tasks that match. FILTER_EMPTY. */
  async removeTasks({ filter, limit }: ManyTasks): Promise<ManyDone> {
    const search = toSearch(filter, finalStatuses)
    return actOnMany(this.#engine, search, limit, async (taskIds) => {
      return { count: await this.#engine.removeMany(taskIds) }
    })
  }

  /** Repeats the finished tasks that match, failed ones unless the filter says otherwise, each of them once. FILTER_EMPTY. */
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
        // One that was removed meanwhile, or that its type does not take any more, is passed over.
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

  /** What happens to all tasks from now on, as SSE text, until `signal` is aborted or the reader has to begin anew. */
  watch(filter: ChangeFilter, signal: AbortSignal) {
    return this.#changes.watch(filter, signal)
  }

  /** The task's events after an id, as Engine.follow gives them. TASK_NOT_FOUND. */
  async events(taskId: string, after: string | undefined, signal: AbortSignal): Promise<Events | 'ended'> {
    return this.#engine.follow(taskId, after, signal)
  }

  /** How many tasks run in this process. */
  getActiveTaskCount(): number {
    return this.#active.size
  }

  /** Whether a task, or all that happens if none is named, goes on in other processes than this one. */
  livesElsewhere(taskId: string | undefined): boolean {
    return this.#engine.shared && (taskId === undefined || !this.#held.has(taskId))
  }

  async getPendingTaskCount(): Promise<number> {
    return (await this.#engine.pendingCounts()).pending
  }

  /** How many pending tasks wait for their `runAt`. */
  async getScheduledTaskCount(): Promise<number> {
    return (await this.#engine.pendingCounts()).scheduled
  }

  /** Rejects while the store cannot be used or the service has been shut down. */
  async check(): Promise<void> {
    await this.#engine.check()
  }

  pause(): void {
    this.#engine.setClaiming(this.#options.drainPending)
  }

  resume(): void {
    this.#engine.setClaiming(true)
  }

  remaining(): number {
    return this.#held.size
  }

  async idle(): Promise<void> {
    while (this.#held.size > 0 || (this.#options.drainPending && (await this.getPendingTaskCount()) > 0)) {
      await new Promise<void>((resolve) => this.#wakeIdle.push(resolve))
    }
  }

  async cancel(): Promise<{ forced: boolean }> {
    this.#engine.setClaiming(false)
    this.#cancelling = true
    for (const [taskId, { run, type }] of this.#held) {
      const fields = { taskId, type: type?.type, onShutdown: type?.onShutdown }
      this.#log.warn(fields, 'the grace period is over, task is told to stop')
      run?.abort('shutdown')
    }
    while (this.#held.size > 0) await new Promise<void>((resolve) => this.#wakeIdle.push(resolve))
    return { forced: this.#forced }
  }

  /** When nothing runs any more: ends what is pending, or waits for its time, in a store that is gone with the process. */
  async cancelPending(): Promise<void> {
    if (this.#options.isVolatile) await this.#engine.cancelPending?.()
  }

  /** Keeps a finished shutdown for the next process, which reports it to Prometheus. */
  async recordShutdown(report: ShutdownReport): Promise<void> {
    await this.#engine
      .recordShutdown(report)
      .catch((err) => this.#log.error({ err }, 'the shutdown is not recorded'))
  }

  /** Stops accepting, waits, cancels what is over time, ends workers, timers and the store. Idempotent. */
  shutdown(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const started = this.#state === 'ready'
    this.#state = 'stopped'
    if (started && !this.#cancelling) {
      this.pause()
      if (!(await within(this.#options.shutdownTimeoutMs, this.idle()))) await this.cancel()
    }
    await this.#options.runner.close()
    await this.#engine.stop()
  }

  async #run(claim: Claim): Promise<Outcome> {
    const { taskId, attempt, requestId: reqId } = claim
    const type = this.#types.get(claim.type)
    const label = { type: this.#label(claim.type) }
    this.#metrics.started.inc(label)
    this.#metrics.queueWait.observe(label, claim.waitedMs / 1000)
    this.#log.debug({ taskId, type: claim.type, attempt, reqId }, 'task started')

    const held: Held = { attempt, startedAt: performance.now(), run: undefined, type }
    this.#held.set(taskId, held)
    this.#active.add(taskId)
    this.#metrics.updateTaskMetrics(this.#active.size)
    if (!type) {
      const error = { code: 'TASK_TYPE_UNKNOWN', message: `This process knows no task type ${claim.type}` }
      this.#logFailure(claim, error)
      return { status: 'failed', error }
    }
    // One that may run again may also begin before that; one that may not, must not be forgotten to have begun.
    if (type.onLost !== 'requeue') await claim.durable
    held.run = this.#options.runner.start(type, claim)
    if (this.#cancelling) held.run.abort('shutdown')
    return this.#judge(type, claim, await held.run.ended)
  }

  /** What becomes of a task after its run has ended. */
  #judge(type: LoadedTaskType, claim: Claim, { end, aborted }: RunResult): Outcome {
    if ('stopped' in end) this.#countForce(type, claim, end.stopped)
    if (aborted === 'shutdown') {
      if (type.onShutdown === 'requeue' && !this.#options.isVolatile)
        return putBack('shutdown', claim.requeues, type)
      return { status: 'cancelled', reason: 'shutdown' }
    }
    // A lost attempt's outcome is refused by its engine, whatever it is.
    if (aborted) return { status: 'cancelled', reason: aborted === 'timeout' ? 'timeout' : 'client' }
    if ('result' in end) {
      const problem = type.checkOutput?.(end.result)
      if (problem === undefined) return { status: 'completed', result: end.result }
      // Another attempt would hardly return something else.
      const error = { code: 'RESULT_INVALID', message: problem }
      this.#logFailure(claim, error, undefined)
      return { status: 'failed', error }
    }
    if ('error' in end) {
      const { error, stack } = end
      this.#logFailure(claim, error, stack)
      const again = claim.failures + 1 < type.attempts
      if (again)
        return { status: 'pending', reason: 'retry', delayMs: type.backoffMs(claim.failures + 1), error }
      return { status: 'failed', error }
    }
    const { crash = 'The task was stopped', stack } = 'crash' in end ? end : {}
    const error = { code: 'TASK_WORKER_CRASHED', message: crash }
    this.#logFailure(claim, error, stack)
    return { status: 'failed', error }
  }

  /** The one place where an operator finds an attempt's error whole; its clients see code and message. */
  #logFailure(
    { taskId, type, attempt, requestId: reqId }: Claim,
    { code, message }: ErrorInfo,
    stack = message
  ): void {
    this.#metrics.attemptsFailed.inc({ type: this.#label(type) })
    // An error again, as the log serialises it, but with the stack of the one that was thrown, maybe in a worker.
    const err = Object.assign(new Error(message), { code, stack })
    this.#log.warn({ taskId, type, attempt, reqId, err }, 'attempt failed')
  }

  /** What becomes of a task whose process died while it ran. */
  #judgeLost(name: string, requeues: number): Outcome {
    const type = this.#types.get(name)
    if (type?.onLost === 'requeue') return putBack('lost', requeues, type)
    const message = 'The process that ran the task died'
    return { status: 'failed', error: { code: 'TASK_INTERRUPTED', message } }
  }

  #countForce(type: LoadedTaskType, { taskId, attempt }: Claim, how: 'terminated' | 'abandoned'): void {
    this.#forced = true
    const fields = { taskId, type: type.type, attempt }
    if (how === 'terminated') {
      this.#metrics.forceTerminated.inc({ type: type.type })
      this.#log.warn(fields, 'task did not stop, its worker was killed')
    } else {
      this.#metrics.abandoned.inc({ type: type.type })
      this.#log.warn(fields, 'inline task did not stop and was abandoned; what it still does has no effect')
    }
  }

  #settled(task: Settled, outcome: Outcome): void {
    const { taskId, attempt, startedAt, endedAt, requestId: reqId } = task
    const type = this.#label(task.type)
    const held = this.#held.get(taskId)
    const ranMs =
      held?.attempt === attempt
        ? performance.now() - held.startedAt
        : startedAt && Math.max(0, endedAt - startedAt)
    const ran = ranMs === undefined ? undefined : Math.round(ranMs) / 1000
    const fields = { taskId, type: task.type, reqId, seconds: ran }
    if (outcome.status === 'pending') {
      this.#metrics.taskRequeued(type, outcome.reason)
      this.#log.info({ ...fields, reason: outcome.reason, delayMs: outcome.delayMs }, 'task put back')
    } else {
      this.#metrics.taskFinished(type, outcome.status, ran)
      const detail = outcome.status === 'failed' ? outcome.error : undefined
      const reason = outcome.status === 'cancelled' ? outcome.reason : undefined
      this.#log.info({ ...fields, status: outcome.status, reason, error: detail }, 'task ended')
    }
    if (outcome.status !== 'pending') this.#onEnded(taskId)
    this.#over(taskId, attempt)
  }

  #freed(taskId: string): void {
    this.#active.delete(taskId)
    this.#metrics.updateTaskMetrics(this.#active.size)
  }

  /** An attempt does not run here any more; the next one of the same task may. */
  #over(taskId: string, attempt: number): void {
    if (this.#held.get(taskId)?.attempt === attempt) {
      this.#freed(taskId)
      this.#held.delete(taskId)
    }
    if (this.#held.size > 0) return
    const waiting = this.#wakeIdle
    this.#wakeIdle = []
    for (const wake of waiting) wake()
  }

  /** Types that an older process knew must not become new label values. */
  #label(type: string): string {
    return this.#types.has(type) ? type : 'unknown'
  }
}

function putBack(reason: 'shutdown' | 'lost', requeues: number, type: LoadedTaskType): Outcome {
  if (requeues < type.maxRequeues) return { status: 'pending', reason, delayMs: 0 }
  const message = `The task was put back ${requeues} times and may not be put back again`
  return { status: 'failed', error: { code: 'TASK_REQUEUE_LIMIT', message } }
}

/** What starts the same task again. */
function asNew({ type, input, priority, labels }: TaskRecord): NewTask {
  return { type, input, priority, ...(labels && { labels }) }
}
