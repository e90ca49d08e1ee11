import type { Claim, EndedAttempt, Engine, EngineHost, Outcome } from './engine.ts'
import type { Log } from './log.ts'
import { resolveLost, resolveOutcome } from './resolve-outcome.ts'
import type { Run, Runner, RunResult } from './runner.ts'
import type { DrainParticipant } from './shutdown.ts'
import type { ErrorInfo } from './task.ts'
import type { TaskMetrics } from './task-metrics.ts'
import type { LoadedTaskType } from './task-types.ts'
import { within } from './timers.ts'

export interface TaskExecutorOptions {
  engine: Engine
  runner: Runner
  types: ReadonlyMap<string, LoadedTaskType>
  metrics: TaskMetrics
  /** Whether a drain runs pending tasks too, instead of keeping them for the next process. */
  drainPending: boolean
  /** Whether pending tasks are gone with the process, so that nobody runs what is left. */
  isVolatile: boolean
  log: Log
}

interface ClaimedTask {
  attempt: number
  /** On the monotonic clock. */
  startedAt: number
  type: LoadedTaskType | undefined
  /** Undefined until the attempt may begin. */
  run?: Run
}

/** Runs the tasks that an engine has claimed for this process, resolves their outcomes, and drains. */
export class TaskExecutor implements DrainParticipant {
  readonly name = 'tasks'
  readonly #options: TaskExecutorOptions
  readonly #engine: Engine
  readonly #types: ReadonlyMap<string, LoadedTaskType>
  readonly #metrics: TaskMetrics
  readonly #log: Log
  /** Claimed tasks whose outcome is not durable yet. */
  readonly #claimed = new Map<string, ClaimedTask>()
  /** Those of them that have a slot. */
  readonly #active = new Set<string>()
  #cancelling = false
  #forced = false
  #onEnded: (taskId: string) => void = () => {}
  #onIdle: (() => void)[] = []

  constructor(options: TaskExecutorOptions) {
    this.#options = options
    this.#engine = options.engine
    this.#types = options.types
    this.#metrics = options.metrics
    this.#log = options.log
  }

  /** What the engine asks of the process that it works for, but for the changes that others watch. */
  host(): Omit<EngineHost, 'changed' | 'changesMissed'> {
    const limits = [...this.#types].flatMap(([type, { concurrency }]) =>
      concurrency === undefined ? [] : [[type, concurrency] as const]
    )
    return {
      limits: new Map(limits),
      run: (claim) => this.#run(claim),
      resolveLost: ({ type, requeues }) => resolveLost(this.#types.get(type), requeues),
      slotReleased: (taskId) => this.#releaseSlot(taskId),
      attemptEnded: (attempt, outcome) => this.#attemptEnded(attempt, outcome),
      attemptLost: (taskId, attempt) => this.#release(taskId, attempt),
      committed: (seconds) => this.#metrics.commit.observe(seconds)
    }
  }

  /** Called with each task whose end this process has recorded. */
  onEnded(listener: (taskId: string) => void): void {
    this.#onEnded = listener
  }

  /** How many tasks run in this process. */
  get activeCount(): number {
    return this.#active.size
  }

  isClaimed(taskId: string): boolean {
    return this.#claimed.has(taskId)
  }

  pause(): void {
    this.#engine.setClaiming(this.#drainsPending)
  }

  resume(): void {
    this.#engine.setClaiming(true)
  }

  remaining(): number {
    return this.#claimed.size
  }

  async idle(): Promise<void> {
    for (;;) {
      // Asked first: what is claimed meanwhile is claimed when the answer comes.
      const pending = this.#drainsPending ? await this.#pendingCount() : 0
      if (this.#claimed.size === 0 && pending === 0) return
      await this.#nextIdle()
    }
  }

  /** Aborts what runs; resolves when all of it has an outcome that is durable. */
  async cancel(): Promise<{ forced: boolean }> {
    this.#engine.setClaiming(false)
    this.#cancelling = true
    for (const [taskId, { run, type }] of this.#claimed) {
      const fields = { taskId, type: type?.type, onShutdown: type?.onShutdown }
      this.#log.warn(fields, 'the grace period is over, aborting the task')
      run?.abort('shutdown')
    }
    while (this.#claimed.size > 0) await this.#nextIdle()
    return { forced: this.#forced }
  }

  /** When nothing runs any more: ends what is pending or scheduled in a store that is gone with the process. */
  async cancelPending(): Promise<void> {
    if (this.#options.isVolatile) await this.#engine.cancelPending?.()
  }

  /** Drains unless that was done, and ends all workers, busy or not. */
  async shutdown(timeoutMs: number): Promise<void> {
    this.pause()
    // What a cancel at the deadline could not end is not waited for once more.
    if (!this.#cancelling && !(await within(timeoutMs, this.idle()))) await this.cancel()
    await this.close()
  }

  async close(): Promise<void> {
    await this.#options.runner.close()
  }

  get #drainsPending(): boolean {
    return this.#options.drainPending && !this.#cancelling
  }

  /** None in a store that is away: they cannot be run. */
  async #pendingCount(): Promise<number> {
    return this.#engine.pendingCounts().then(
      ({ pending }) => pending,
      () => 0
    )
  }

  #nextIdle(): Promise<void> {
    return new Promise((resolve) => this.#onIdle.push(resolve))
  }

  async #run(claim: Claim): Promise<Outcome> {
    const { taskId, attempt, requestId: reqId } = claim
    const type = this.#types.get(claim.type)
    const label = { type: this.#label(claim.type) }
    this.#metrics.started.inc(label)
    this.#metrics.queueWait.observe(label, claim.waitedMs / 1000)
    this.#log.debug({ taskId, type: claim.type, attempt, reqId }, 'task started')

    const claimed: ClaimedTask = { attempt, startedAt: performance.now(), type }
    this.#claimed.set(taskId, claimed)
    this.#active.add(taskId)
    this.#metrics.updateTaskMetrics(this.#active.size)
    if (!type) {
      const error = { code: 'TASK_TYPE_UNKNOWN', message: `This process knows no task type ${claim.type}` }
      this.#logFailure(claim, error)
      return { status: 'failed', error }
    }
    // A task that may run again may begin before its start is durable. A task that may not must not: a power loss
    // would undo the record of its start.
    if (type.onLost !== 'requeue') await claim.durable
    const run = this.#options.runner.start(type, claim)
    claimed.run = run
    if (this.#cancelling) run.abort('shutdown')
    const result = await run.ended
    this.#countForced(type, claim, result)
    const { outcome, failure } = resolveOutcome(type, claim, result, !this.#options.isVolatile)
    if (failure) this.#logFailure(claim, failure.error, failure.stack)
    return outcome
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

  #countForced({ type }: LoadedTaskType, { taskId, attempt }: Claim, { end }: RunResult): void {
    if (!('stopped' in end)) return
    this.#forced = true
    const fields = { taskId, type, attempt }
    if (end.stopped === 'killed') {
      this.#metrics.forceTerminated.inc({ type })
      this.#log.warn(fields, 'task did not stop, its worker was killed')
    } else {
      this.#metrics.abandoned.inc({ type })
      this.#log.warn(fields, 'inline task did not stop and was abandoned; what it still does has no effect')
    }
  }

  #attemptEnded(task: EndedAttempt, outcome: Outcome): void {
    const { taskId, attempt, startedAt, endedAt, requestId: reqId } = task
    const type = this.#label(task.type)
    const claimed = this.#claimed.get(taskId)
    const ranMs =
      claimed?.attempt === attempt
        ? performance.now() - claimed.startedAt
        : startedAt && Math.max(0, endedAt - startedAt)
    const seconds = ranMs === undefined ? undefined : Math.round(ranMs) / 1000
    const fields = { taskId, type: task.type, reqId, seconds }
    if (outcome.status === 'pending') {
      this.#metrics.taskRequeued(type, outcome.reason)
      this.#log.info({ ...fields, reason: outcome.reason, delayMs: outcome.delayMs }, 'task requeued')
    } else {
      this.#metrics.taskFinished(type, outcome.status, seconds)
      const error = outcome.status === 'failed' ? outcome.error : undefined
      const reason = outcome.status === 'cancelled' ? outcome.reason : undefined
      this.#log.info({ ...fields, status: outcome.status, reason, error }, 'task ended')
      this.#onEnded(taskId)
    }
    this.#release(taskId, attempt)
  }

  #releaseSlot(taskId: string): void {
    this.#active.delete(taskId)
    this.#metrics.updateTaskMetrics(this.#active.size)
  }

  /** An attempt is over; the next one of the same task may run here already. */
  #release(taskId: string, attempt: number): void {
    if (this.#claimed.get(taskId)?.attempt === attempt) {
      this.#releaseSlot(taskId)
      this.#claimed.delete(taskId)
    }
    if (this.#claimed.size > 0) return
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  /** Types that an older process knew must not become new label values. */
  #label(type: string): string {
    return this.#types.has(type) ? type : 'unknown'
  }
}
