import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Outcome, PendingCounts, ShutdownReport, Submission, Submitted, TaskSearch } from '../engine.ts'
import { TaskError } from '../errors.ts'
import type { Log } from '../log.ts'
import { steadyNow } from '../steady-clock.ts'
import { decodeCursor, encodeCursor, toEvent, toRecord, toSummary } from '../stored.ts'
import {
  isFinished,
  statuses,
  type TaskEvent,
  type TaskPage,
  type TaskQuery,
  type UnparsedRecord
} from '../task.ts'
import { Attempts } from './attempts.ts'
import { Availability } from './availability.ts'
import { closeDatabase, openDatabase } from './database.ts'
import type { Notice } from './messages.ts'
import { Queue } from './queue.ts'
import { searchStore } from './search.ts'
import type { TaskRow } from './statements.ts'
import { Sweeper } from './sweeper.ts'
import { Transactions } from './transactions.ts'
import { openLog } from './write-ahead-log.ts'

export interface StoreOptions {
  /** Path of the file, or `:memory:`. */
  path: string
  sync: 'full' | 'normal'
  maxRunning: number
  maxPending: number
  retentionMs: number
  failedRetentionMs: number
  limits: ReadonlyMap<string, number>
}

/** Whether a task has ended, and the id of its latest event. */
export type Position = { isFinished: boolean; lastEvent: number }

// So many at once take less than 10 ms.
const cancelSlice = 200

/** What the store does when it is asked. Errors are TaskErrors, or StartErrors when it is opened. */
export class StoreService {
  readonly #transactions: Transactions
  readonly #attempts: Attempts
  readonly #queue: Queue
  readonly #sweeper: Sweeper
  readonly #availability: Availability
  readonly #log: Log
  readonly #close: () => void
  readonly #interrupted: TaskRow[]

  constructor(options: StoreOptions, log: Log, notify: (notice: Notice) => void) {
    const db = openDatabase(options.path)
    const writeAheadLog = options.sync === 'full' ? openLog(db) : undefined
    this.#log = log
    this.#availability = new Availability(db.location() ?? undefined, log)
    const claim = () => this.#queue.claim()
    this.#transactions = new Transactions(db, writeAheadLog, this.#availability, claim, notify)
    this.#attempts = new Attempts(this.#transactions)
    this.#queue = new Queue(this.#transactions, this.#attempts, options)
    this.#interrupted = this.#transactions.store.running()
    this.#sweeper = new Sweeper(this.#transactions, options.retentionMs, options.failedRetentionMs)
    this.#availability.onRetry(() => void this.check().catch(() => {}))
    // It also keeps the database referenced: the driver closes one that is garbage, while its statements are still in use.
    this.#close = () => {
      writeAheadLog?.close()
      // db.close() alone leaves files untouched that have replaced its own, and copies nothing of a log that could not be synced:
      // its own sync comes first, and fails, because the kernel has not reported the failure to that descriptor yet.
      if (this.#availability.misplaced || !this.#transactions.isDurable) db.close()
      else closeDatabase(db)
    }
  }

  /** The tasks that ran when an earlier process died. */
  interrupted(): { type: string; requeues: number }[] {
    return this.#interrupted.map(({ type, requeues }) => ({ type, requeues }))
  }

  /** Records an outcome for each of the interrupted. */
  async recover(outcomes: readonly Outcome[]): Promise<void> {
    await this.#transactions.write(() => {
      for (const [n, row] of this.#interrupted.entries()) {
        const outcome = outcomes[n]
        if (outcome) this.#attempts.end(row, outcome)
      }
    })
    const { pending } = this.#transactions
    this.#log.info({ pending, interrupted: this.#interrupted.length }, 'task store opened')
    this.#queue.armDelay()
  }

  async submit(tasks: readonly Submission[]): Promise<Submitted[]> {
    const { misplaced } = this.#availability
    if (misplaced) throw new TaskError('STORE_UNAVAILABLE', misplaced)
    return this.#transactions.write(() => this.#queue.submit(tasks))
  }

  async findByKey(key: string): Promise<{ taskId: string; fingerprint: string } | undefined> {
    const used = await this.#transactions.read((store) => store.byKey(key))
    return used && { taskId: used.task_id, fingerprint: used.fingerprint }
  }

  async get(taskId: string): Promise<UnparsedRecord | undefined> {
    return this.#transactions.read((store) => {
      const row = store.byId(taskId)
      return row && toRecord(row, store.requeuedAttempts(row))
    })
  }

  async input(taskId: string): Promise<string | undefined> {
    return this.#transactions.read((store) => {
      const row = store.byId(taskId)
      return row && store.input(row)
    })
  }

  async list({ cursor, limit, status, type, label: labels = [] }: TaskQuery): Promise<TaskPage> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor)
    const search = { statuses: status ? [status] : statuses, labels, ...(type !== undefined && { type }) }
    const isFiltered = status !== undefined || type !== undefined || labels.length > 0
    const seqs = isFiltered ? await this.#search(search, before, limit + 1) : undefined
    const rows = await this.#transactions.read((store) =>
      seqs ? seqs.slice(0, limit).flatMap((seq) => store.summary(seq) ?? []) : store.page(before, limit + 1)
    )
    const tasks = rows.slice(0, limit).map(toSummary)
    // Of what was found: some of it may have been deleted since.
    const found = seqs ?? rows.map(({ seq }) => seq)
    const last = found[limit - 1]
    return found.length > limit && last !== undefined ? { tasks, nextCursor: encodeCursor(last) } : { tasks }
  }

  async search(
    search: TaskSearch,
    limit: number,
    from?: string
  ): Promise<{ taskIds: string[]; next?: string }> {
    const before = from === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(from)
    const seqs = await this.#search(search, before, limit)
    const taskIds = this.#transactions.readNow((store) =>
      seqs.flatMap((seq) => store.searched(seq)?.task_id ?? [])
    )
    const last = seqs.at(-1)
    return last !== undefined && seqs.length === limit ? { taskIds, next: encodeCursor(last) } : { taskIds }
  }

  async cancel(taskId: string): Promise<UnparsedRecord> {
    return this.#transactions.write((store) => {
      const row = store.byId(taskId)
      if (!row) throw new TaskError('TASK_NOT_FOUND', taskId)
      if (isFinished(row.status)) throw new TaskError('TASK_ALREADY_FINISHED', taskId, row.status)
      this.#queue.cancel(row)
      return toRecord(store.byId(taskId) ?? row, store.requeuedAttempts(row))
    })
  }

  async cancelMany(taskIds: readonly string[]): Promise<number> {
    return this.#each(taskIds, (row) => {
      if (isFinished(row.status) || row.cancel_requested) return false
      this.#queue.cancel(row)
      return true
    })
  }

  async cancelPending(): Promise<void> {
    const cancelSome = () => {
      const rows = this.#transactions.store.pending(cancelSlice)
      for (const row of rows) this.#queue.cancel(row, { status: 'cancelled', reason: 'shutdown' })
      return rows.length
    }
    while ((await this.#transactions.write(cancelSome)) > 0);
  }

  async remove(taskId: string): Promise<void> {
    return this.#transactions.write((store) => {
      const row = store.byId(taskId)
      if (!row) throw new TaskError('TASK_NOT_FOUND', taskId)
      if (!isFinished(row.status)) throw new TaskError('TASK_NOT_FINISHED', taskId, row.status)
      this.#transactions.delete(row)
    })
  }

  async removeMany(taskIds: readonly string[]): Promise<number> {
    return this.#each(taskIds, (row) => {
      if (!isFinished(row.status)) return false
      this.#transactions.delete(row)
      return true
    })
  }

  /** Undefined if there is no such task; where it has ended, when that is durable. */
  async position(taskId: string): Promise<Position | undefined> {
    const task = this.#transactions.readNow((store) => store.position(taskId))
    if (!task) return undefined
    const position = { isFinished: isFinished(task.status), lastEvent: task.last_event }
    return position.isFinished ? this.#transactions.read(() => position) : position
  }

  /** The task's events after an id, none if there are none yet; undefined if none will come. */
  async events(taskId: string, after: number, limit: number): Promise<TaskEvent[] | undefined> {
    return this.#transactions.read((store) => {
      const task = store.position(taskId)
      if (!task) return undefined
      const events = store.events.after(task.seq, after, limit)
      if (events.length === 0 && isFinished(task.status)) return undefined
      return events.map((event) => toEvent(taskId, event))
    })
  }

  /** Notifies each new event of a task, with that number, or no more. */
  setFollowed(taskId: string, feed: number | undefined): void {
    if (feed !== undefined) this.#transactions.followed.set(taskId, feed)
    else this.#transactions.followed.delete(taskId)
  }

  setWatching(watching: boolean): void {
    this.#transactions.isWatching = watching
  }

  setClaiming(claiming: boolean): void {
    this.#queue.isClaiming = claiming
    if (claiming) this.#transactions.schedule()
  }

  pendingCounts(): PendingCounts {
    const { pending, scheduled } = this.#transactions
    return { pending, scheduled }
  }

  oldestPendingMs(): number {
    const readyAt = this.#transactions.readNow((store) => store.oldestReady())
    return readyAt === undefined ? 0 : Math.max(0, steadyNow() - readyAt)
  }

  async check(): Promise<void> {
    await this.#availability.checkFiles()
    // While writes fail, only a write can tell that they work again; else a read is enough.
    if (this.#availability.hasFailed)
      await this.#transactions.write((store) => store.setMeta('checked', Date.now()))
    else this.#transactions.readNow((store) => store.nextDelayed())
  }

  progress(attempt: number, data: string, at: number): Promise<void> {
    return this.#attempts.progress(attempt, data, at)
  }

  saveCheckpoint(attempt: number, state: string): Promise<void> {
    return this.#attempts.saveCheckpoint(attempt, state)
  }

  finish(attempt: number, outcome: Outcome, endedAt: number): Promise<void> {
    return this.#attempts.finish(attempt, outcome, endedAt)
  }

  async recordShutdown(report: ShutdownReport): Promise<void> {
    await this.#transactions.write((store) => store.setMeta('shutdown', report))
  }

  async takeShutdownReport(): Promise<ShutdownReport | undefined> {
    // What recordShutdown wrote.
    return this.#transactions.write((store) => store.takeMeta('shutdown')) as Promise<
      ShutdownReport | undefined
    >
  }

  async stop(): Promise<void> {
    this.#queue.stop()
    this.#sweeper.stop()
    // What has still to be written.
    await this.#transactions.write(() => {}).catch(() => {})
    this.#attempts.stop()
    this.#availability.stop()
    await this.#availability.checkFiles().catch(() => {})
    try {
      this.#close()
    } catch (err) {
      this.#log.warn({ err }, 'the task store was not closed cleanly; the next start repairs it')
    }
  }

  async #search(search: TaskSearch, before: number, limit: number): Promise<number[]> {
    const steps = searchStore(this.#transactions.store, search, before, limit)
    for (;;) {
      const step = this.#transactions.readNow(() => steps.next())
      if (step.done) return step.value
      await nextTurn()
    }
  }

  /** To how many of the tasks something was done, in one transaction. */
  async #each(taskIds: readonly string[], act: (row: TaskRow) => boolean): Promise<number> {
    return this.#transactions.write((store) => {
      let done = 0
      for (const taskId of taskIds) {
        const row = store.byId(taskId)
        if (row && act(row)) done++
      }
      return done
    })
  }
}
