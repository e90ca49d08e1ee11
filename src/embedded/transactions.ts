import type { DatabaseSyncInstance } from '@photostructure/sqlite'
import type { TaskChange } from '../engine.ts'
import { TaskError } from '../errors.ts'
import { toEvent } from '../stored.ts'
import type { EventType } from '../task.ts'
import type { Availability } from './availability.ts'
import { GroupCommit, type Urgency } from './group-commit.ts'
import type { Notice } from './messages.ts'
import type { TaskRow } from './statements.ts'
import { Store } from './store.ts'
import type { WriteAheadLog } from './write-ahead-log.ts'

/** What a transaction will have done. */
interface Change {
  pending: number
  scheduled: number
  claimed: number
  /** Types of the attempts that it starts and that it ends. */
  started: string[]
  ended: string[]
  released: number
  /** Of this process alone. */
  whenCommitted: (() => void)[]
  /** What others are notified of. */
  whenDurable: (() => void)[]
}

/** The store's transactions, what is counted beside them, and what others are notified of when they are durable. */
export class Transactions {
  readonly store: Store
  readonly notify: (notice: Notice) => void
  /** Whether every change of a task is notified. */
  isWatching = false
  /** Tasks whose events are notified, each with the number of its feed. */
  readonly followed = new Map<string, number>()
  /** What the transaction that is under way changes. */
  change = noChange()
  readonly #commits: GroupCommit
  #pending: number
  #scheduled: number

  constructor(
    db: DatabaseSyncInstance,
    log: WriteAheadLog | undefined,
    availability: Availability,
    beforeCommit: () => void,
    notify: (notice: Notice) => void
  ) {
    this.store = new Store(db)
    this.notify = notify
    this.#commits = new GroupCommit(db, log, {
      beforeCommit,
      committed: () => this.#committed(availability),
      durable: (seconds) => notify(['committed', seconds]),
      failed: (error) => {
        this.change = noChange()
        availability.failed(error)
      },
      checkpointFailed: (err) => availability.checkpointFailed(err)
    })
    const { pending, scheduled } = this.store.countPending()
    this.#pending = pending
    this.#scheduled = scheduled
  }

  /** In the queue or in a backoff. */
  get pending(): number {
    return this.#pending + this.change.pending
  }

  get scheduled(): number {
    return this.#scheduled + this.change.scheduled
  }

  get isDurable(): boolean {
    return this.#commits.isDurable
  }

  /** Resolves with what `run` returned when it is durable. */
  write<T>(run: (store: Store) => T, urgency?: Urgency): Promise<T> {
    return this.#commits.write(() => run(this.store), urgency)
  }

  /** Makes sure that there is a transaction, even without a write. */
  schedule(): void {
    this.#commits.schedule()
  }

  /** Resolves with what is read when it is durable. */
  async read<T>(read: (store: Store) => T): Promise<T> {
    const value = this.readNow(read)
    await this.#commits.durable()
    return value
  }

  readNow<T>(read: (store: Store) => T): T {
    try {
      return read(this.store)
    } catch (error) {
      throw new TaskError('STORE_UNAVAILABLE', error instanceof Error ? error.message : error)
    }
  }

  append(row: TaskRow, id: number, type: EventType, data: string, at: number): void {
    const event = { id, type, at, data }
    const { task_id: taskId } = row
    this.store.events.append(row.seq, event)
    this.change.whenDurable.push(() => {
      const feed = this.followed.get(taskId)
      if (feed !== undefined) this.notify(['event', taskId, feed, toEvent(taskId, event)])
    })
    this.noteChange(row, type, at, data)
  }

  noteChange(row: TaskRow, type: TaskChange['type'], at: number, data: string): void {
    if (!this.isWatching) return
    const labels = row.labels === null ? undefined : JSON.parse(row.labels)
    const change = { taskId: row.task_id, taskType: row.type, labels, type, at, data }
    this.change.whenDurable.push(() => this.notify(['changed', change]))
  }

  delete({ seq, task_id: taskId }: { seq: number; task_id: string }): void {
    this.store.deleteTask(seq)
    this.change.whenDurable.push(() => {
      if (this.followed.has(taskId)) this.notify(['removed', taskId])
    })
  }

  #committed(availability: Availability): () => void {
    const { pending, scheduled, whenCommitted, whenDurable } = this.change
    this.change = noChange()
    this.#pending += pending
    this.#scheduled += scheduled
    for (const effect of whenCommitted) effect()
    return () => {
      availability.works()
      for (const effect of whenDurable) effect()
    }
  }
}

const noChange = (): Change => ({
  pending: 0,
  scheduled: 0,
  claimed: 0,
  started: [],
  ended: [],
  released: 0,
  whenCommitted: [],
  whenDurable: []
})
