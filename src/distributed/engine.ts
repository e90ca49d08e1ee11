import { randomUUID } from 'node:crypto'
import type {
  Engine,
  EngineHost,
  Events,
  PendingCounts,
  ShutdownReport,
  Submission,
  Submitted,
  TaskSearch
} from '../engine.ts'
import { TaskError } from '../errors.ts'
import type { Log } from '../log.ts'
import { cancelledByClient } from '../outcome.ts'
import { decodeCursor, encodeCursor, sweepIntervalMs } from '../stored.ts'
import { isFinished, statuses, type TaskPage, type TaskQuery, type UnparsedRecord } from '../task.ts'
import { newTaskId } from '../task-id.ts'
import { within } from '../timers.ts'
import { Availability } from './availability.ts'
import { Changes } from './changes.ts'
import { Connection } from './connection.ts'
import { EventStreams, isAfter } from './event-streams.ts'
import { Jobs } from './jobs.ts'
import { type Cancelled, Records } from './records.ts'
import { Worker } from './worker.ts'

export interface DistributedOptions {
  url: string
  /** Prefix of all keys. */
  prefix: string
  maxRunning: number
  maxPending: number
  retentionMs: number
  failedRetentionMs: number
  /** How long the command of a request may take, less than half of what the API promises unless said otherwise. */
  requestMs?: number
  log: Log
}

// What a process waits for its Redis before it listens and says that it is not ready.
const openWithinMs = 1_000
const sweepLimit = 200

/** One of any number of processes on one Redis. BullMQ decides who runs what; all else of a task is in records.ts. */
export class DistributedEngine implements Engine {
  readonly shared = true
  readonly #options: DistributedOptions
  #open: ReturnType<typeof connect> | undefined
  #host: EngineHost | undefined
  #claiming = false
  #sweepTimer: NodeJS.Timeout | undefined

  constructor(options: DistributedOptions) {
    this.#options = options
  }

  async start(host: EngineHost): Promise<void> {
    const { retentionMs, failedRetentionMs, log } = this.#options
    this.#host = host
    this.#open = connect(this.#options, host)
    const { availability, worker } = this.#open
    worker.setClaiming(this.#claiming)
    const sweepEveryMs = sweepIntervalMs(Math.min(retentionMs, failedRetentionMs))
    this.#sweepTimer = setInterval(() => void this.#sweep(), sweepEveryMs).unref()
    if (!(await within(openWithinMs, availability.usable())))
      log.warn('the task store does not answer; not ready until it does')
  }

  async submit(tasks: readonly Submission[]): Promise<Submitted[]> {
    const wanted = tasks.map((task) => ({ taskId: newTaskId(), task }))
    const answer = await this.#change((records) => records.submit(wanted, this.#options.maxPending))
    if ('pending' in answer) throw new TaskError('TASK_QUEUE_FULL', answer.pending)
    if ('reused' in answer) {
      const name = tasks[answer.reused]?.idempotency?.name ?? 'The key'
      throw new TaskError('IDEMPOTENCY_KEY_REUSED', name)
    }
    return answer.taskIds.map((taskId, index) => ({ taskId, replayed: taskId !== wanted[index]?.taskId }))
  }

  async findByKey(key: string): Promise<{ taskId: string; fingerprint: string } | undefined> {
    return this.#opened().records.findByKey(key)
  }

  async input(taskId: string): Promise<string | undefined> {
    return this.#opened().records.input(taskId)
  }

  async get(taskId: string): Promise<UnparsedRecord | undefined> {
    return this.#opened().records.get(taskId)
  }

  async list({ cursor, limit, label: labels = [], ...filter }: TaskQuery): Promise<TaskPage> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor)
    const { records } = this.#opened()
    if (labels.length > 0) {
      const { status, ...rest } = filter
      const search = { statuses: status ? [status] : statuses, labels, ...rest }
      const { tasks, next } = await this.#search(search, before, limit)
      const page = await records.summaries(tasks.map(({ taskId }) => taskId))
      return next > 0 ? { tasks: page, nextCursor: encodeCursor(next) } : { tasks: page }
    }
    const found = await records.page(filter, before, limit + 1)
    const page = found.slice(0, limit)
    const tasks = page.map(({ record }) => record)
    const last = page.at(-1)
    return found.length > limit && last ? { tasks, nextCursor: encodeCursor(last.seq) } : { tasks }
  }

  async search(search: TaskSearch, limit: number, from?: string) {
    const before = from === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(from)
    const { tasks, next } = await this.#search(search, before, limit)
    const taskIds = tasks.map(({ taskId }) => taskId)
    return next > 0 ? { taskIds, next: encodeCursor(next) } : { taskIds }
  }

  /** One script looks at a limited number of tasks, so that it does not hold up other commands. */
  async #search(search: TaskSearch, before: number, limit: number) {
    const tasks: { taskId: string; seq: number }[] = []
    for (let next = before; ; ) {
      const found = await this.#opened().records.search(search, next, limit - tasks.length)
      tasks.push(...found.tasks)
      next = found.next
      if (next === 0 || tasks.length === limit) return { tasks, next }
    }
  }

  async cancel(taskId: string): Promise<UnparsedRecord> {
    const cancelled = await this.#cancel(taskId)
    if (cancelled.was === 'unknown') throw new TaskError('TASK_NOT_FOUND', taskId)
    if (cancelled.was === 'finished') throw new TaskError('TASK_ALREADY_FINISHED', taskId, cancelled.status)
    return cancelled.record
  }

  async cancelMany(taskIds: readonly string[]): Promise<number> {
    const all = await Promise.all(taskIds.map((taskId) => this.#cancel(taskId)))
    return all.filter(({ was }) => was === 'pending' || was === 'running').length
  }

  #cancel(taskId: string): Promise<Cancelled> {
    const report = (cancelled: Cancelled) => {
      if (cancelled.was !== 'pending') return
      const { type, attempt, requestId } = cancelled.record
      const { endedAt } = cancelled
      this.#host?.attemptEnded({ taskId, type, attempt, requestId, endedAt }, cancelledByClient)
    }
    return this.#change((records) => records.cancel(taskId, report))
  }

  async removeMany(taskIds: readonly string[]): Promise<number> {
    const was = await Promise.all(taskIds.map((taskId) => this.#change((records) => records.remove(taskId))))
    return was.filter((status) => status !== undefined && isFinished(status)).length
  }

  async remove(taskId: string): Promise<void> {
    const status = await this.#change((records) => records.remove(taskId))
    if (status === undefined) throw new TaskError('TASK_NOT_FOUND', taskId)
    if (!isFinished(status)) throw new TaskError('TASK_NOT_FINISHED', taskId, status)
  }

  async follow(taskId: string, after: string | undefined, signal: AbortSignal): Promise<Events | 'ended'> {
    const { streams } = this.#opened()
    const task = await streams.find(taskId)
    if (!task) throw new TaskError('TASK_NOT_FOUND', taskId)
    const { status, lastEvent } = task
    if (after !== undefined && after === lastEvent && isFinished(status)) return 'ended'
    const known =
      after !== undefined &&
      /^\d{1,15}-\d{1,15}$/.test(after) &&
      lastEvent !== undefined &&
      !isAfter(after, lastEvent)
    return streams.follow(taskId, known ? after : undefined, signal)
  }

  async ended(taskId: string, signal: AbortSignal): Promise<void> {
    const { streams } = this.#opened()
    const task = await streams.find(taskId)
    if (!task || isFinished(task.status)) return
    // From its latest event on: those before do not matter here.
    for await (const _ of streams.follow(taskId, task.lastEvent, signal));
  }

  async setWatching(watching: boolean): Promise<void> {
    if (watching) await this.#opened().changes.listen()
    else this.#open?.changes.close()
  }

  setClaiming(claiming: boolean): void {
    this.#claiming = claiming
    this.#open?.worker.setClaiming(claiming)
  }

  async pendingCounts(): Promise<PendingCounts> {
    return this.#opened().records.pendingCounts()
  }

  async oldestPendingMs(): Promise<number> {
    return this.#opened().records.oldestPendingMs()
  }

  async check(): Promise<void> {
    const { availability, records } = this.#opened()
    availability.require()
    await records.probe()
  }

  async recordShutdown(report: ShutdownReport): Promise<void> {
    await this.#opened().records.addShutdown(report)
  }

  async takeShutdownReport(): Promise<ShutdownReport | undefined> {
    return this.#opened().records.takeShutdown()
  }

  async stop(): Promise<void> {
    if (!this.#open) return
    const { connection, streams, jobs, worker, changes } = this.#open
    clearInterval(this.#sweepTimer)
    await worker.stop()
    this.#open = undefined
    streams.stop()
    changes.close()
    jobs.close()
    connection.close()
  }

  #opened() {
    if (!this.#open) throw new TaskError('STORE_UNAVAILABLE', 'it is not open')
    return this.#open
  }

  /** Makes a change that somebody waits for. */
  async #change<T>(write: (records: Records) => Promise<T>): Promise<T> {
    const start = performance.now()
    const result = await write(this.#opened().records)
    this.#host?.committed((performance.now() - start) / 1000)
    return result
  }

  /** Deletes what was kept long enough; the first process to come does it for all. */
  async #sweep(): Promise<void> {
    try {
      const { records } = this.#opened()
      const { retentionMs, failedRetentionMs } = this.#options
      while ((await records.sweep('ended', retentionMs, sweepLimit)) === sweepLimit);
      while ((await records.sweep('failed', failedRetentionMs, sweepLimit)) === sweepLimit);
    } catch {
      // The next one will do.
    }
  }
}

function connect({ url, prefix, maxRunning, requestMs, log }: DistributedOptions, host: EngineHost) {
  // The braces make it the hash tag of Redis Cluster.
  const key = `{${prefix}}`
  const owner = randomUUID()
  const availability = new Availability(log)
  const connection = new Connection(url, key, availability, log, requestMs)
  const jobs = new Jobs(connection, key, owner)
  const worker = new Worker({ availability, jobs, host, maxRunning, log })
  const records = new Records(connection, key)
  // Before anything is claimed on that connection. Else the next connect says it.
  connection.onReady(() => void records.setLimits(host.limits ?? new Map()).catch(() => {}))
  // What was under way when the connection broke may have been done.
  connection.onReady(() => {
    worker.renewLeases()
    void jobs.prepare().catch(() => {})
  })
  const onCancel = (taskId: string) => worker.cancel(taskId)
  const streams = new EventStreams({ connection, key, owner, onCancel, log })
  const changes = new Changes(connection, url, key, host)
  return { availability, connection, records, streams, jobs, worker, changes }
}
