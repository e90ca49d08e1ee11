import { setTimeout as sleep } from 'node:timers/promises'
import type { Claim, Engine, EngineHost, Events, Outcome, ShutdownReport, Submission } from '../engine.ts'
import { TaskError } from '../errors.ts'
import type { Log } from '../log.ts'
import { decodeCursor, encodeCursor, finalEvent, toEvent, toRecord } from '../stored.ts'
import { type EventType, isFinished, type TaskPage, type TaskQuery, type TaskRecord } from '../task.ts'
import { newTaskId } from '../task-id.ts'
import { closeDatabase, openDatabase } from './database.ts'
import { Feeds } from './feeds.ts'
import { Store, type TaskRow } from './store.ts'
import { TurnTransaction } from './turn-transaction.ts'

export interface EmbeddedOptions {
  /** Path of the file, or `:memory:`. */
  path: string
  sync: 'full' | 'normal'
  maxRunning: number
  maxPending: number
  retentionMs: number
  log: Log
}

interface Running {
  row: TaskRow
  abort: AbortController
  cancelRequested: boolean
}

/** What a transaction will have done once it is committed. */
interface Change {
  pending: number
  freed: number
  effects: (() => void)[]
}

const readLimit = 100
const maxSweepEveryMs = 5_000
const minSweepEveryMs = 100
// The longest that one slice of a sweep may hold up the event loop.
const sweepSliceMs = 3
const retryMs = 500

/** One SQLite file that only this process uses. The store is the queue: tasks are claimed where they are kept. */
export class EmbeddedEngine implements Engine {
  readonly shared = false
  readonly #options: EmbeddedOptions
  readonly #log: Log
  readonly #feeds = new Feeds()
  readonly #running = new Map<number, Running>()
  #open: { store: Store; turn: TurnTransaction; host: EngineHost } | undefined
  #claiming = false
  #pending = 0
  #change: Change = { pending: 0, freed: 0, effects: [] }
  #failure: unknown
  #delayTimer: NodeJS.Timeout | undefined
  #retryTimer: NodeJS.Timeout | undefined
  #sweepTimer: NodeJS.Timeout | undefined

  constructor(options: EmbeddedOptions) {
    this.#options = options
    this.#log = options.log
  }

  async start(host: EngineHost): Promise<void> {
    const db = openDatabase(this.#options.path, this.#options.sync)
    const store = new Store(db)
    const turn = new TurnTransaction(db, {
      beforeCommit: () => this.#claim(),
      committed: (seconds) => this.#committed(seconds),
      rolledBack: (error) => this.#rolledBack(error)
    })
    this.#open = { store, turn, host }
    this.#pending = store.countPending()
    const interrupted = store.running()
    await turn.write(() => {
      for (const row of interrupted) {
        this.#writeOutcome(row, row.cancel_requested ? cancelledByClient : host.lost(row))
      }
    })
    this.#log.info({ pending: this.#pending, interrupted: interrupted.length }, 'task store opened')
    const sweepEveryMs = Math.min(maxSweepEveryMs, Math.max(minSweepEveryMs, this.#options.retentionMs))
    this.#sweepTimer = setTimeout(() => void this.#sweep(sweepEveryMs), sweepEveryMs).unref()
    this.#armDelay()
  }

  async submit(task: Submission): Promise<{ taskId: string; replayed: boolean }> {
    const { store, turn } = this.#opened()
    return turn.write(() => {
      const used = task.idempotency && store.byKey(task.idempotency.key)
      if (used) {
        if (used.fingerprint !== task.idempotency?.fingerprint) throw new TaskError('IDEMPOTENCY_KEY_REUSED')
        return { taskId: used.task_id, replayed: true }
      }
      const pending = this.#pending + this.#change.pending
      if (pending >= this.#options.maxPending) throw new TaskError('TASK_QUEUE_FULL', pending)
      const taskId = newTaskId()
      store.insertTask(taskId, task, Date.now())
      this.#change.pending++
      return { taskId, replayed: false }
    })
  }

  async findByKey(key: string): Promise<{ taskId: string; fingerprint: string } | undefined> {
    const used = this.#read((store) => store.byKey(key))
    return used && { taskId: used.task_id, fingerprint: used.fingerprint }
  }

  async get(taskId: string): Promise<TaskRecord | undefined> {
    const row = this.#read((store) => store.byId(taskId))
    return row && toRecord(row)
  }

  async list({ cursor, limit, ...filter }: TaskQuery): Promise<TaskPage> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeCursor(cursor)
    const rows = this.#read((store) => store.page(filter, before, limit + 1))
    const tasks = rows.slice(0, limit).map(toRecord)
    const last = rows[limit - 1]
    return rows.length > limit && last ? { tasks, nextCursor: encodeCursor(last.seq) } : { tasks }
  }

  async cancel(taskId: string): Promise<TaskRecord> {
    const { store, turn } = this.#opened()
    return turn.write(() => {
      const row = store.byId(taskId)
      if (!row) throw new TaskError('TASK_NOT_FOUND', taskId)
      if (isFinished(row.status)) throw new TaskError('TASK_ALREADY_FINISHED', taskId, row.status)
      if (row.status === 'pending') {
        this.#change.pending--
        this.#writeOutcome(row, cancelledByClient)
      } else {
        store.requestCancel(row.seq)
        const running = this.#running.get(row.seq)
        this.#change.effects.push(() => {
          if (!running) return
          running.cancelRequested = true
          running.abort.abort('client')
        })
      }
      return toRecord(store.byId(taskId) ?? row)
    })
  }

  async remove(taskId: string): Promise<void> {
    const { store, turn } = this.#opened()
    return turn.write(() => {
      const row = store.byId(taskId)
      if (!row) throw new TaskError('TASK_NOT_FOUND', taskId)
      if (!isFinished(row.status)) throw new TaskError('TASK_NOT_FINISHED', taskId, row.status)
      this.#delete(row)
    })
  }

  async follow(taskId: string, after: string | undefined, signal: AbortSignal): Promise<Events | 'ended'> {
    const task = this.#read((store) => store.position(taskId))
    if (!task) throw new TaskError('TASK_NOT_FOUND', taskId)
    const id = after !== undefined && /^\d{1,15}$/.test(after) ? Number(after) : 0
    if (isFinished(task.status) && id === task.last_event) return 'ended'
    return this.#feeds.follow(taskId, id <= task.last_event ? id : 0, signal, (position) => {
      const events = this.#read((store) => store.eventsAfter(task.seq, position, readLimit))
      if (events.length === 0) {
        // Looked up again: it may have ended or been removed while the reader was slow.
        const now = this.#read((store) => store.position(taskId))
        if (!now || isFinished(now.status)) return undefined
      }
      return events.map((event) => toEvent(taskId, event))
    })
  }

  setClaiming(claiming: boolean): void {
    this.#claiming = claiming
    if (claiming) this.#open?.turn.schedule()
  }

  async pendingCount(): Promise<number> {
    return this.#pending
  }

  async check(): Promise<void> {
    const { store, turn } = this.#opened()
    // While writes fail, only a write can tell that they work again; else a read is enough.
    if (this.#failure) await turn.write(() => store.setMeta('checked', Date.now()))
    else this.#read((readable) => readable.nextDelayed())
  }

  async recordShutdown(report: ShutdownReport): Promise<void> {
    const { store, turn } = this.#opened()
    await turn.write(() => store.setMeta('shutdown', report))
  }

  async takeShutdownReport(): Promise<ShutdownReport | undefined> {
    const { store, turn } = this.#opened()
    return turn.write(() => store.takeMeta('shutdown')) as Promise<ShutdownReport | undefined> // what recordShutdown wrote
  }

  async stop(): Promise<void> {
    if (!this.#open) return
    const { store, turn } = this.#open
    this.#claiming = false
    clearTimeout(this.#sweepTimer)
    clearTimeout(this.#delayTimer)
    clearTimeout(this.#retryTimer)
    // What this turn has still to write.
    await turn.write(() => {}).catch(() => {})
    this.#open = undefined
    try {
      closeDatabase(store.db)
    } catch (err) {
      this.#log.warn({ err }, 'the task store was not closed cleanly; the next start repairs it')
    }
  }

  #opened() {
    if (!this.#open) throw new TaskError('STORE_UNAVAILABLE', 'it is not open')
    return this.#open
  }

  #read<T>(read: (store: Store) => T): T {
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
    let free = this.#options.maxRunning - this.#running.size + this.#change.freed
    while (this.#claiming && free-- > 0 && this.#pending + this.#change.pending > 0) {
      const row = store.claimNext(now)
      if (!row) return
      this.#change.pending--
      this.#append(row, row.last_event, 'task_started', { attempt: row.attempt })
      const input = store.input(row.seq)
      // Only an earlier attempt can have left one.
      const restored = row.attempt > 1 ? store.checkpoint(row.seq) : undefined
      this.#change.effects.push(() => this.#run(row, input, restored))
    }
  }

  #run(row: TaskRow, input: string, restored: string | undefined): void {
    const { store, turn, host } = this.#opened()
    const { seq, attempt, task_id: taskId, type, failures, requeues } = row
    const running: Running = { row, abort: new AbortController(), cancelRequested: false }
    this.#running.set(seq, running)
    const claim: Claim = {
      taskId,
      type,
      input,
      attempt,
      failures,
      requeues,
      restored,
      waitedMs: Math.max(0, (row.started_at ?? 0) - row.ready_at),
      signal: running.abort.signal,
      progress: (value, text) => {
        const written = turn.write(() => {
          const data = JSON.stringify({ value, text })
          const id = store.setProgress(seq, attempt, data)
          if (id !== undefined) this.#appendText(row, id, 'progress_update', data)
        })
        // A failing store is logged where it fails; the next progress says more than this one.
        written.catch(() => {})
      },
      checkpoint: (state) =>
        turn.write(() => {
          if (this.#running.get(seq) !== running) throw new TaskError('ATTEMPT_LOST', attempt, taskId)
          store.saveCheckpoint(seq, state)
        })
    }
    void host.run(claim).then((outcome) => this.#settle(running, outcome))
  }

  /** Writes an outcome, however long the store refuses it: the work is done and must not be lost. */
  async #settle(running: Running, outcome: Outcome): Promise<void> {
    while (this.#open) {
      try {
        await this.#open.turn.write(() => {
          // A cancel that was accepted outlives being put back.
          const putBack = outcome.status === 'pending'
          this.#writeOutcome(running.row, putBack && running.cancelRequested ? cancelledByClient : outcome)
          this.#change.freed++
          this.#change.effects.unshift(() => this.#running.delete(running.row.seq))
        })
        return
      } catch {
        await sleep(retryMs)
      }
    }
  }

  /** Ends an attempt, or a pending task: record and event together, unless the attempt is over already. */
  #writeOutcome(row: TaskRow, outcome: Outcome): void {
    const { store, host } = this.#opened()
    const endedAt = Date.now()
    if (outcome.status === 'pending') {
      const counted = outcome.reason === 'retry' ? 'failures' : 'requeues'
      const delayed = outcome.delayMs > 0
      const id = store.putBack(row.seq, row.attempt, counted, endedAt + outcome.delayMs, delayed)
      if (id === undefined) return
      this.#append(row, id, 'task_requeued', { reason: outcome.reason })
      this.#change.pending++
      if (delayed) this.#change.effects.push(() => this.#armDelay())
    } else {
      const id = store.finish(row.seq, row.status, row.attempt, outcome.status, endedAt)
      if (id === undefined) return
      const [type, data] = finalEvent(outcome)
      this.#appendText(row, id, type, data)
    }
    const task = { taskId: row.task_id, type: row.type, endedAt }
    const startedAt = row.status === 'running' ? row.started_at : null
    this.#change.effects.push(() => host.settled(startedAt === null ? task : { ...task, startedAt }, outcome))
  }

  #append(row: TaskRow, id: number, type: EventType, data: object): void {
    this.#appendText(row, id, type, JSON.stringify(data))
  }

  #appendText(row: TaskRow, id: number, type: EventType, data: string): void {
    const event = { id, type, at: Date.now(), data }
    this.#opened().store.appendEvent(row.seq, event)
    this.#change.effects.push(() => this.#feeds.publish(row.task_id, toEvent(row.task_id, event)))
  }

  #delete({ seq, task_id: taskId }: { seq: number; task_id: string }): void {
    this.#opened().store.deleteTask(seq)
    this.#change.effects.push(() => this.#feeds.remove(taskId))
  }

  #committed(seconds: number): void {
    const { pending, effects } = this.#change
    this.#change = { pending: 0, freed: 0, effects: [] }
    this.#pending += pending
    if (this.#failure) {
      this.#failure = undefined
      this.#log.info('the task store can be written again')
    }
    for (const effect of effects) effect()
    this.#open?.host.committed(seconds)
  }

  #rolledBack(error: unknown): void {
    this.#change = { pending: 0, freed: 0, effects: [] }
    if (!this.#failure) this.#log.error({ err: error }, 'the task store cannot be written')
    this.#failure = error
    clearTimeout(this.#retryTimer)
    this.#retryTimer = setTimeout(() => void this.check().catch(() => {}), retryMs)
  }

  /** Lets tasks whose backoff is over join the queue, when the first of them is due. */
  #armDelay(): void {
    clearTimeout(this.#delayTimer)
    const at = this.#open?.store.nextDelayed()
    if (at === undefined) return
    const release = async () => {
      const { store, turn } = this.#opened()
      await turn.write(() => store.releaseDelayed(Date.now())).catch(() => sleep(retryMs))
      this.#armDelay()
    }
    this.#delayTimer = setTimeout(() => void release(), Math.max(0, at - Date.now()))
  }

  /** Removes what was kept long enough, in slices of one turn; then waits. Never two at once: their slices would add up. */
  async #sweep(everyMs: number): Promise<void> {
    while (this.#open && (await this.#sweepSlice()) > 0);
    if (!this.#open) return
    this.#sweepTimer = setTimeout(() => void this.#sweep(everyMs), everyMs).unref()
  }

  async #sweepSlice(): Promise<number> {
    const { store, turn } = this.#opened()
    const slice = turn.write(() => {
      const end = performance.now() + sweepSliceMs
      const rows = store.endedBefore(Date.now() - this.#options.retentionMs, 500)
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

const cancelledByClient: Outcome = { status: 'cancelled', reason: 'client' }
