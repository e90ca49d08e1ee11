import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type {
  Claim,
  Engine,
  EngineHost,
  Events,
  Outcome,
  ShutdownReport,
  Submission,
  Submitted,
  TaskChange,
  TaskSearch
} from '../engine.ts'
import { TaskError } from '../errors.ts'
import type { Log } from '../log.ts'
import { afterCancel, cancelledByClient, outcomeEvent } from '../outcome.ts'
import { steadyNow } from '../steady-clock.ts'
import { Stop } from '../stop.ts'
import { decodeCursor, encodeCursor, sweepIntervalMs, toEvent, toRecord, toSummary } from '../stored.ts'
import {
  type EventType,
  isFinished,
  statuses,
  type TaskPage,
  type TaskQuery,
  type UnparsedRecord
} from '../task.ts'
import { nextPosition, taskIdAt } from '../task-id.ts'
import { closeDatabase, openDatabase, openLog } from './database.ts'
import { watchFiles } from './database-file.ts'
import { Feeds } from './feeds.ts'
import { GroupCommit } from './group-commit.ts'
import { searchStore } from './search.ts'
import { Store, type TaskRow } from './store.ts'

export interface EmbeddedOptions {
  /** Path of the file, or `:memory:`. */
  path: string
  sync: 'full' | 'normal'
  maxRunning: number
  maxPending: number
  retentionMs: number
  failedRetentionMs: number
  log: Log
}

interface Running {
  row: TaskRow
  stop: Stop<'client' | 'lost'>
  /** Progress that could not be written. */
  unsent: Progress | undefined
}

interface Progress {
  /** JSON text. */
  data: string
  at: number
}

/** What a transaction will have done. */
interface Change {
  pending: number
  scheduled: number
  claimed: number
  /** Types of the attempts that it starts and that it ends. */
  started: string[]
  ended: string[]
  freed: number
  /** Of this process alone. */
  whenCommitted: (() => void)[]
  /** What others hear of. */
  whenDurable: (() => void)[]
}

// The longest that one slice of a sweep may hold up the event loop.
const sweepSliceMs = 3
const retryMs = 500
const maxDelayMs = 60_000
// So many at once take less than 10 ms.
const cancelSlice = 200
const lookEveryMs = 2_000
const parkedAtOnce = 200

/** One SQLite file that only this process uses. The store is the queue: tasks are claimed where they are kept. */
export class EmbeddedEngine implements Engine {
  readonly shared = false
  readonly #options: EmbeddedOptions
  readonly #log: Log
  readonly #feeds = new Feeds()
  readonly #running = new Map<number, Running>()
  #open: { store: Store; commits: GroupCommit; host: EngineHost; close: () => void } | undefined
  #claiming = false
  #watching = false
  /** In the queue or in a backoff. */
  #pending = 0
  #scheduled = 0
  #change = noChange()
  #last = 0
  #failure: unknown
  /** Why the open files are not those that the next process would find. */
  #misplaced: string | undefined
  #delayTimer: NodeJS.Timeout | undefined
  #retryTimer: NodeJS.Timeout | undefined
  #sweepTimer: NodeJS.Timeout | undefined
  #lookTimer: NodeJS.Timeout | undefined
  #lookAtFiles: (() => Promise<string | undefined>) | undefined

  constructor(options: EmbeddedOptions) {
    this.#options = options
    this.#log = options.log
  }

  async start(host: EngineHost): Promise<void> {
    const db = openDatabase(this.#options.path)
    const log = this.#options.sync === 'full' ? openLog(db) : undefined
    const store = new Store(db)
    const commits = new GroupCommit(db, log, {
      beforeCommit: () => this.#claim(),
      committed: () => this.#committed(),
      durable: (seconds) => host.committed(seconds),
      failed: (error) => this.#failed(error)
    })
    // It also refers to the database, which the driver closes under its statements when nothing else does.
    const close = () => {
      log?.close()
      // SQLite itself then leaves alone what is now in its files' places.
      if (this.#misplaced) db.close()
      else closeDatabase(db)
    }
    this.#open = { store, commits, host, close }
    const path = db.location()
    if (path) this.#lookAtFiles = watchFiles([path, `${path}-wal`])
    this.#lookTimer = setInterval(() => void this.#checkFiles().catch(() => {}), lookEveryMs).unref()
    this.#last = store.last()
    // What may run at once may have changed since.
    store.unparkAll()
    const counts = store.countPending()
    this.#pending = counts.pending
    this.#scheduled = counts.scheduled
    const interrupted = store.running()
    await commits.write(() => {
      for (const row of interrupted) this.#writeOutcome(row, host.lost(row))
    })
    this.#log.info({ pending: this.#pending, interrupted: interrupted.length }, 'task store opened')
    const { retentionMs, failedRetentionMs } = this.#options
    const sweepEveryMs = sweepIntervalMs(Math.min(retentionMs, failedRetentionMs))
    this.#sweepTimer = setTimeout(() => void this.#sweep(sweepEveryMs), sweepEveryMs).unref()
    this.#armDelay()
  }

  async submit(tasks: readonly Submission[]): Promise<Submitted[]> {
    const { store, commits } = this.#opened()
    if (this.#misplaced) throw new TaskError('STORE_UNAVAILABLE', this.#misplaced)
    return commits.write(() => {
      // What may be refused is looked at before anything is written: a part of a batch must not stay behind.
      const used = usedBefore(store, tasks)
      const pending = this.#pending + this.#change.pending + this.#scheduled + this.#change.scheduled
      if (pending + tasks.length - used.filter((id) => id !== undefined).length > this.#options.maxPending)
        throw new TaskError('TASK_QUEUE_FULL', pending)
      const submitted: Submitted[] = []
      for (const [index, task] of tasks.entries()) {
        const there = used[index]
        if (there === undefined) submitted.push({ taskId: this.#accept(task), replayed: false })
        else {
          const taskId = typeof there === 'string' ? there : submitted[there]?.taskId
          submitted.push({ taskId: taskId ?? '', replayed: true })
        }
      }
      return submitted
    })
  }

  /** Inserts a task, which waits for its time or in the queue, or starts. */
  #accept(task: Submission): string {
    const { store } = this.#opened()
    this.#last = nextPosition(this.#last)
    const taskId = taskIdAt(this.#last)
    const now = Date.now()
    const isScheduled = task.runAt !== undefined && task.runAt > now
    const isFirst = this.#claiming && this.#pending + this.#change.pending === 0
    const hasSlot = isFirst && this.#free() > 0 && !this.#isFull(task.type)
    // With a slot to spare, a task need not go through the queue.
    const status = hasSlot && !isScheduled ? 'running' : 'pending'
    const row = store.insertTask(this.#last, taskId, task, status, now)
    if (this.#watching) {
      const runAt = row.run_at === null ? {} : { runAt: new Date(row.run_at).toISOString() }
      this.#noteChange(row, 'task_accepted', now, JSON.stringify({ status: 'pending', ...runAt }))
    }
    if (status === 'running') this.#start(row, task.input, undefined)
    else if (isScheduled) {
      this.#change.scheduled++
      this.#change.whenCommitted.push(() => this.#armDelay())
    } else this.#change.pending++
    return taskId
  }

  async findByKey(key: string): Promise<{ taskId: string; fingerprint: string } | undefined> {
    const used = await this.#read((store) => store.byKey(key))
    return used && { taskId: used.task_id, fingerprint: used.fingerprint }
  }

  async get(taskId: string): Promise<UnparsedRecord | undefined> {
    return this.#read((store) => {
      const row = store.byId(taskId)
      return row && toRecord(row, store.requeuedAttempts(row))
    })
  }

  async input(taskId: string): Promise<string | undefined> {
    return this.#read((store) => {
      const row = store.byId(taskId)
      return row && store.input(row)
    })
  }

  async list({ cursor, limit, status, type, label: labels = [] }: TaskQuery): Promise<TaskPage> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor)
    const search = { statuses: status ? [status] : statuses, labels, ...(type !== undefined && { type }) }
    const isFiltered = status !== undefined || type !== undefined || labels.length > 0
    const seqs = isFiltered ? await this.#search(search, before, limit + 1) : undefined
    const rows = await this.#read((store) =>
      seqs ? seqs.flatMap((seq) => store.summary(seq) ?? []) : store.page(before, limit + 1)
    )
    const tasks = rows.slice(0, limit).map(toSummary)
    const last = rows[limit - 1]
    return rows.length > limit && last ? { tasks, nextCursor: encodeCursor(last.seq) } : { tasks }
  }

  async search(search: TaskSearch, limit: number, from?: string) {
    const before = from === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(from)
    const seqs = await this.#search(search, before, limit)
    const taskIds = this.#readNow((store) => seqs.flatMap((seq) => store.searched(seq)?.task_id ?? []))
    const last = seqs.at(-1)
    return last !== undefined && seqs.length === limit ? { taskIds, next: encodeCursor(last) } : { taskIds }
  }

  async #search(search: TaskSearch, before: number, limit: number): Promise<number[]> {
    const steps = searchStore(this.#opened().store, search, before, limit)
    for (;;) {
      const step = this.#readNow(() => steps.next())
      if (step.done) return step.value
      await nextTurn()
    }
  }

  async cancel(taskId: string): Promise<UnparsedRecord> {
    const { store, commits } = this.#opened()
    return commits.write(() => {
      const row = store.byId(taskId)
      if (!row) throw new TaskError('TASK_NOT_FOUND', taskId)
      if (isFinished(row.status)) throw new TaskError('TASK_ALREADY_FINISHED', taskId, row.status)
      this.#cancel(row)
      return toRecord(store.byId(taskId) ?? row, store.requeuedAttempts(row))
    })
  }

  async cancelMany(taskIds: readonly string[]): Promise<number> {
    return this.#each(taskIds, (row) => {
      if (isFinished(row.status) || row.cancel_requested) return false
      this.#cancel(row)
      return true
    })
  }

  async cancelPending(): Promise<void> {
    const { store, commits } = this.#opened()
    const cancelSome = () => {
      const rows = store.pending(cancelSlice)
      for (const row of rows) this.#cancel(row, { status: 'cancelled', reason: 'shutdown' })
      return rows.length
    }
    while ((await commits.write(cancelSome)) > 0);
  }

  #cancel(row: TaskRow, outcome: Outcome = cancelledByClient): void {
    const { store } = this.#opened()
    if (row.status === 'pending') {
      if (store.isScheduled(row.seq)) this.#change.scheduled--
      else this.#change.pending--
      this.#writeOutcome(row, outcome)
      // It may have been the one that was to follow.
      this.#unpark(row.type)
    } else {
      store.requestCancel(row.seq)
      const running = this.#running.get(row.seq)
      this.#change.whenCommitted.push(() => running?.stop.tell('client'))
    }
  }

  async remove(taskId: string): Promise<void> {
    const { store, commits } = this.#opened()
    return commits.write(() => {
      const row = store.byId(taskId)
      if (!row) throw new TaskError('TASK_NOT_FOUND', taskId)
      if (!isFinished(row.status)) throw new TaskError('TASK_NOT_FINISHED', taskId, row.status)
      this.#delete(row)
    })
  }

  async removeMany(taskIds: readonly string[]): Promise<number> {
    return this.#each(taskIds, (row) => {
      if (!isFinished(row.status)) return false
      this.#delete(row)
      return true
    })
  }

  /** To how many of the tasks something was done, in one transaction. */
  async #each(taskIds: readonly string[], act: (row: TaskRow) => boolean): Promise<number> {
    const { store, commits } = this.#opened()
    return commits.write(() => {
      let done = 0
      for (const taskId of taskIds) {
        const row = store.byId(taskId)
        if (row && act(row)) done++
      }
      return done
    })
  }

  async follow(taskId: string, after: string | undefined, signal: AbortSignal): Promise<Events | 'ended'> {
    const task = this.#readNow((store) => store.position(taskId))
    if (!task) throw new TaskError('TASK_NOT_FOUND', taskId)
    if (isFinished(task.status)) await this.#opened().commits.settled()
    const id = after !== undefined && /^\d{1,15}$/.test(after) ? Number(after) : 0
    if (isFinished(task.status) && id === task.last_event) return 'ended'
    return this.#feeds.follow(taskId, id <= task.last_event ? id : 0, signal, {
      settled: () => this.#opened().commits.settled(),
      read: (position, limit) => {
        const events = this.#readNow((store) => store.eventsAfter(task.seq, position, limit))
        if (events.length === 0) {
          // Looked up again: it may have ended or been removed while the reader was slow.
          const now = this.#readNow((store) => store.position(taskId))
          if (!now || isFinished(now.status)) return undefined
        }
        return events.map((event) => toEvent(taskId, event))
      }
    })
  }

  async ended(taskId: string, signal: AbortSignal): Promise<void> {
    const task = this.#readNow((store) => store.position(taskId))
    if (!task) return
    // From its latest event on: those before do not matter here.
    const events = await this.follow(taskId, String(task.last_event), signal)
    if (events !== 'ended') for await (const _ of events);
  }

  async setWatching(watching: boolean): Promise<void> {
    this.#watching = watching
  }

  setClaiming(claiming: boolean): void {
    this.#claiming = claiming
    if (claiming) this.#open?.commits.schedule()
  }

  async pendingCounts(): Promise<{ pending: number; scheduled: number }> {
    return { pending: this.#pending, scheduled: this.#scheduled }
  }

  async check(): Promise<void> {
    const { store, commits } = this.#opened()
    await this.#checkFiles()
    // While writes fail, only a write can tell that they work again; else a read is enough.
    if (this.#failure) await commits.write(() => store.setMeta('checked', Date.now()))
    else this.#readNow((readable) => readable.nextDelayed())
  }

  async recordShutdown(report: ShutdownReport): Promise<void> {
    const { store, commits } = this.#opened()
    await commits.write(() => store.setMeta('shutdown', report))
  }

  async takeShutdownReport(): Promise<ShutdownReport | undefined> {
    const { store, commits } = this.#opened()
    return commits.write(() => store.takeMeta('shutdown')) as Promise<ShutdownReport | undefined> // what recordShutdown wrote
  }

  async stop(): Promise<void> {
    if (!this.#open) return
    const { commits, close } = this.#open
    this.#claiming = false
    clearTimeout(this.#sweepTimer)
    clearInterval(this.#lookTimer)
    clearTimeout(this.#delayTimer)
    clearTimeout(this.#retryTimer)
    // What has still to be written.
    await commits.write(() => {}).catch(() => {})
    await this.#checkFiles().catch(() => {})
    this.#open = undefined
    try {
      close()
    } catch (err) {
      this.#log.warn({ err }, 'the task store was not closed cleanly; the next start repairs it')
    }
  }

  /** STORE_UNAVAILABLE if a file was deleted or replaced. */
  async #checkFiles(): Promise<void> {
    const problem = await this.#lookAtFiles?.()
    if (problem && problem !== this.#misplaced)
      this.#log.error({ reason: problem }, 'the task store was moved, what is written now will be lost')
    else if (!problem && this.#misplaced) this.#log.info('the task store is back in its place')
    this.#misplaced = problem
    if (problem) throw new TaskError('STORE_UNAVAILABLE', problem)
  }

  #opened() {
    if (!this.#open) throw new TaskError('STORE_UNAVAILABLE', 'it is not open')
    return this.#open
  }

  /** Resolves with what is read when it is durable: others are told. */
  async #read<T>(read: (store: Store) => T): Promise<T> {
    const value = this.#readNow(read)
    await this.#opened().commits.settled()
    return value
  }

  #readNow<T>(read: (store: Store) => T): T {
    const { store } = this.#opened()
    try {
      return read(store)
    } catch (error) {
      throw new TaskError('STORE_UNAVAILABLE', error instanceof Error ? error.message : error)
    }
  }

  /** The last part of every transaction: free slots take what is next, so that a task starts with the commit that accepts it. */
  #claim(): void {
    const { store } = this.#opened()
    const now = Date.now()
    while (this.#claiming && this.#free() > 0 && this.#pending + this.#change.pending > 0) {
      if (!this.#parkBlocked()) return
      const row = store.claimNext(now)
      if (!row) return
      this.#change.pending--
      // Only an earlier attempt can have left a checkpoint.
      this.#start(row, store.input(row), row.attempt > 1 ? store.checkpoint(row.seq) : undefined)
    }
  }

  #unpark(type: string): void {
    const { store, host } = this.#opened()
    if (host.limits?.has(type)) store.unpark(type)
  }

  /** Takes tasks out of the way whose types run as often as they may. False if more of that is left to another turn. */
  #parkBlocked(): boolean {
    const { store, commits, host } = this.#opened()
    if (!host.limits?.size) return true
    for (let count = 0; count < parkedAtOnce; count++) {
      const next = store.nextQueued()
      if (!next || !this.#isFull(next.type)) return true
      store.park(next.seq)
    }
    commits.schedule()
    return false
  }

  /** Whether as many tasks of a type run as may. */
  #isFull(type: string): boolean {
    const limit = this.#opened().host.limits?.get(type)
    if (limit === undefined) return false
    const { started, ended } = this.#change
    const count = (types: Iterable<string>) => [...types].filter((one) => one === type).length
    const running = count([...this.#running.values()].map(({ row }) => row.type))
    return running + count(started) - count(ended) >= limit
  }

  #free(): number {
    return this.#options.maxRunning - this.#running.size + this.#change.freed - this.#change.claimed
  }

  #start(row: TaskRow, input: string, restored: string | undefined): void {
    const at = row.started_at ?? Date.now()
    this.#append(row, row.last_event, 'task_started', `{"attempt":${row.attempt}}`, at)
    const { whenCommitted, whenDurable } = this.#change
    const durable = new Promise<void>((resolve) => whenDurable.push(resolve))
    whenCommitted.push(() => this.#run(row, input, restored, durable))
    this.#change.claimed++
    this.#change.started.push(row.type)
  }

  #run(row: TaskRow, input: string, restored: string | undefined, durable: Promise<void>): void {
    const { store, commits, host } = this.#opened()
    const { seq, attempt, task_id: taskId, type, failures, requeues } = row
    const running: Running = { row, stop: new Stop(), unsent: undefined }
    this.#running.set(seq, running)
    const claim: Claim = {
      taskId,
      type,
      input,
      attempt,
      failures,
      requeues,
      restored,
      labels: row.labels === null ? undefined : JSON.parse(row.labels),
      requestId: row.request_id ?? undefined,
      traceparent: row.traceparent ?? undefined,
      durable,
      waitedMs: Math.max(0, steadyNow() - row.ready_at),
      stop: running.stop,
      progress: async (value, text, at) => {
        const progress = { data: JSON.stringify({ value, text }), at }
        running.unsent = progress
        await commits.write(() => {
          this.#writeProgress(row, progress)
          this.#change.whenCommitted.push(() => {
            if (running.unsent === progress) running.unsent = undefined
          })
        }, 'lazy')
      },
      checkpoint: (state) =>
        commits.write(() => {
          if (this.#running.get(seq) !== running) throw new TaskError('ATTEMPT_LOST', attempt, taskId)
          store.saveCheckpoint(seq, state)
        })
    }
    void host.run(claim).then((outcome) => this.#settle(running, outcome, Date.now()))
  }

  #writeProgress(row: TaskRow, { data, at }: Progress): void {
    const id = this.#opened().store.setProgress(row.seq, row.attempt, data)
    if (id !== undefined) this.#append(row, id, 'progress_update', data, at)
  }

  /** Writes an outcome, however long the store refuses it: the work is done and must not be lost. */
  async #settle(running: Running, outcome: Outcome, endedAt: number): Promise<void> {
    let hasFailed = false
    // Once it is committed it is not written again, even if nobody knows for a while whether it is durable.
    while (this.#open && this.#running.get(running.row.seq) === running) {
      try {
        const { commits, host } = this.#open
        await commits.write(
          () => {
            // The last progress comes before the end, also if its own transaction failed.
            if (hasFailed && running.unsent) this.#writeProgress(running.row, running.unsent)
            this.#writeOutcome(running.row, outcome, endedAt)
            this.#change.freed++
            this.#change.ended.push(running.row.type)
            this.#unpark(running.row.type)
            this.#change.whenCommitted.unshift(() => {
              this.#running.delete(running.row.seq)
              host.freed(running.row.task_id)
            })
          },
          this.#pending > 0 ? 'urgent' : 'normal'
        )
        return
      } catch {
        hasFailed = true
        await sleep(retryMs)
      }
    }
  }

  /**
   * Ends an attempt, or a pending task: record and event together, unless the attempt is over already. Whether a cancel
   * was accepted is read from the record: it may have come in this very transaction.
   */
  #writeOutcome(row: TaskRow, outcome: Outcome, endedAt = Date.now()): void {
    if (!this.#endAttempt(row, false, outcome, endedAt))
      this.#endAttempt(row, true, afterCancel(outcome), endedAt)
  }

  /** Whether the task was in that attempt, with a cancel requested or not. */
  #endAttempt(row: TaskRow, cancelRequested: boolean, outcome: Outcome, endedAt: number): boolean {
    const { store, host } = this.#opened()
    const [type, data] = outcomeEvent(outcome)
    const startedAt = row.status === 'running' ? row.started_at : null
    let id: number | undefined
    if (outcome.status === 'pending') {
      const counted = outcome.reason === 'retry' ? 'failures' : 'requeues'
      const delayed = outcome.delayMs > 0
      id = store.putBack(row, cancelRequested, counted, steadyNow() + outcome.delayMs, delayed)
      if (id === undefined) return false
      const { attempt } = row
      store.keepAttempt(row.seq, { attempt, started_at: startedAt ?? endedAt, ended_at: endedAt, data })
      this.#change.pending++
      if (delayed) this.#change.whenCommitted.push(() => this.#armDelay())
    } else {
      id = store.finish(row, cancelRequested, outcome.status, endedAt)
      if (id === undefined) return false
    }
    this.#append(row, id, type, data, endedAt)
    const requestId = row.request_id ?? undefined
    const task = { taskId: row.task_id, type: row.type, attempt: row.attempt, requestId, endedAt }
    this.#change.whenDurable.push(() =>
      host.settled(startedAt === null ? task : { ...task, startedAt }, outcome)
    )
    return true
  }

  #append(row: TaskRow, id: number, type: EventType, data: string, at: number): void {
    const event = { id, type, at, data }
    this.#opened().store.appendEvent(row.seq, event)
    this.#change.whenDurable.push(() => this.#feeds.publish(row.task_id, toEvent(row.task_id, event)))
    this.#noteChange(row, type, event.at, data)
  }

  #noteChange(row: TaskRow, type: TaskChange['type'], at: number, data: string): void {
    if (!this.#watching) return
    const { host } = this.#opened()
    const labels = row.labels === null ? undefined : JSON.parse(row.labels)
    const change = { taskId: row.task_id, taskType: row.type, labels, type, at, data }
    this.#change.whenDurable.push(() => host.changed(change))
  }

  #delete({ seq, task_id: taskId }: { seq: number; task_id: string }): void {
    this.#opened().store.deleteTask(seq)
    this.#change.whenDurable.push(() => this.#feeds.remove(taskId))
  }

  #committed(): () => void {
    const { pending, scheduled, whenCommitted, whenDurable } = this.#change
    this.#change = noChange()
    this.#pending += pending
    this.#scheduled += scheduled
    for (const effect of whenCommitted) effect()
    return () => {
      if (this.#failure) {
        this.#failure = undefined
        this.#log.info('the task store can be written again')
      }
      for (const effect of whenDurable) effect()
    }
  }

  #failed(error: unknown): void {
    this.#change = noChange()
    if (!this.#failure) this.#log.error({ err: error }, 'the task store cannot be written')
    this.#failure = error
    clearTimeout(this.#retryTimer)
    this.#retryTimer = setTimeout(() => void this.check().catch(() => {}), retryMs)
  }

  /** Lets tasks whose backoff is over join the queue, when the first of them is due. */
  #armDelay(): void {
    clearTimeout(this.#delayTimer)
    const inMs = this.#open?.store.nextDelayed()
    if (inMs === undefined) return
    const release = async () => {
      const { store, commits } = this.#opened()
      const join = () => {
        const due = store.releaseDelayed()
        this.#change.scheduled -= due
        this.#change.pending += due
      }
      await commits.write(join).catch(() => sleep(retryMs))
      this.#armDelay()
    }
    // Looked at again now and then: the wall clock may be set, and a timer takes 24 days at most.
    this.#delayTimer = setTimeout(() => void release(), Math.min(maxDelayMs, inMs))
  }

  /** Removes what was kept long enough, in slices of one turn; then waits. Never two at once: their slices would add up. */
  async #sweep(everyMs: number): Promise<void> {
    while (this.#open && (await this.#sweepSlice()) > 0);
    if (!this.#open) return
    this.#sweepTimer = setTimeout(() => void this.#sweep(everyMs), everyMs).unref()
  }

  async #sweepSlice(): Promise<number> {
    const { store, commits } = this.#opened()
    const slice = commits.write(() => {
      const end = performance.now() + sweepSliceMs
      const now = steadyNow()
      const { retentionMs, failedRetentionMs } = this.#options
      const rows = store.endedBefore(now - retentionMs, now - failedRetentionMs, 500)
      let count = 0
      while (count < rows.length && performance.now() < end) {
        const row = rows[count++]
        if (row) this.#delete(row)
      }
      return count
    })
    // A store that fails is logged where it fails; the next sweep tries again.
    return slice.catch(() => 0)
  }
}

const noChange = (): Change => ({
  pending: 0,
  scheduled: 0,
  claimed: 0,
  started: [],
  ended: [],
  freed: 0,
  whenCommitted: [],
  whenDurable: []
})

/**
 * For each task the one that its key, or that it repeats another once, stands for already: by its id, or by its index in
 * the same batch. IDEMPOTENCY_KEY_REUSED.
 */
function usedBefore(store: Store, tasks: readonly Submission[]): (string | number | undefined)[] {
  const inBatch = new Map<string, number>()
  return tasks.map(({ idempotency, retryOf }, index) => {
    if (retryOf?.once) return store.byId(retryOf.taskId)?.retried_as ?? undefined
    if (!idempotency) return undefined
    const { key, fingerprint, name = 'The key' } = idempotency
    const first = inBatch.get(key)
    const used = first === undefined ? store.byKey(key) : tasks[first]?.idempotency
    if (used && used.fingerprint !== fingerprint) throw new TaskError('IDEMPOTENCY_KEY_REUSED', name)
    if (first !== undefined) return first
    inBatch.set(key, index)
    return used && 'task_id' in used ? used.task_id : undefined
  })
}
