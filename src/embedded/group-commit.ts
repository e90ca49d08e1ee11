import type { DatabaseSyncInstance } from '@photostructure/sqlite'
import { TaskError } from '../errors.ts'
import { errorOf, type WriteAheadLog } from './write-ahead-log.ts'

interface Waiting {
  answer: () => void
  reject: (error: TaskError) => void
}

interface Write {
  run: () => unknown
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

/**
 * When a write is committed: at the end of this event-loop turn (`urgent`), or when the sync that is under way has
 * ended (`normal`), or with the next of these, but after `lazyMs` at the latest.
 */
export type Urgency = 'urgent' | 'normal' | 'lazy'

// Too short to be seen, and saves many syncs while hundreds of tasks report their progress.
const lazyMs = 5

// Callers are answered within two seconds.
const patienceMs = 1_500
const stuck = new Error('the disk does not answer')

/** As SQLite's own `wal_autocheckpoint`. */
const checkpointPages = 1_000

/** A committed transaction that waits for its sync. */
interface Committed {
  startedAt: number
  whenDurable: () => void
  waiting: Waiting[]
}

/** What its owner does around each transaction. */
interface Hooks {
  /** Runs as the last part of every transaction. */
  beforeCommit(): void
  /** The transaction survives this process; what is returned is called when it is durable. */
  committed(): () => void
  /** A transaction is durable, `seconds` after it began. */
  durable(seconds: number): void
  /** A transaction did not happen, or committed ones may not be durable. */
  failed(error: unknown): void
  /** The log could not be copied into the database file, and grows. */
  checkpointFailed(error: unknown): void
}

/**
 * Groups writes into transactions: all of an event-loop turn, and all that come while earlier ones are on their way to
 * the disk, which the thread does not wait for. A write that throws a TaskError must not have changed anything yet;
 * it alone is rejected. Any other error rolls the whole transaction back, and all its writes are rejected with
 * STORE_UNAVAILABLE; so are the writes of a transaction whose sync fails, which may turn out durable or not.
 */
export class GroupCommit {
  readonly #db: DatabaseSyncInstance
  readonly #log: WriteAheadLog | undefined
  readonly #hooks: Hooks
  readonly #begin: ReturnType<DatabaseSyncInstance['prepare']>
  readonly #commit: ReturnType<DatabaseSyncInstance['prepare']>
  #writes: Write[] = []
  #wanted = false
  #scheduled = false
  #lazyTimer: NodeJS.Timeout | undefined
  /** Transactions that no sync has begun for. */
  #committed: Committed[] = []
  /** Transactions that a sync is under way for. */
  #syncing: Committed[] = []
  #syncFailed = false
  #stuck = false
  /** Pages of the log at which a checkpoint is due. */
  #checkpointAt = checkpointPages
  #checkpointDue = false

  /** Without a log, what is committed counts as durable. */
  constructor(db: DatabaseSyncInstance, log: WriteAheadLog | undefined, hooks: Hooks) {
    this.#db = db
    this.#log = log
    this.#hooks = hooks
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
  }

  /** Resolves with what `run` returned when it is durable. */
  write<T>(run: () => T, urgency: Urgency = 'normal'): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#stuck) return reject(unavailable(stuck))
      // The queue holds writes of many types; each one's own promise gives it its type back.
      this.#writes.push({ run, resolve: resolve as (value: unknown) => void, reject })
      this.schedule(urgency)
    })
  }

  /** Makes sure that there is a transaction, even without a write. */
  schedule(urgency: Urgency = 'normal'): void {
    if (urgency === 'lazy') {
      this.#lazyTimer ??= setTimeout(() => this.schedule(), lazyMs)
      return
    }
    this.#wanted = true
    // A checkpoint comes when all is durable, so what is urgent waits for it too.
    if (this.#scheduled || (this.#syncing.length > 0 && (urgency === 'normal' || this.#checkpointDue))) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#transact()
    })
  }

  /** Whether the disk is known to have all that was committed. */
  get isDurable(): boolean {
    return !this.#syncFailed && this.#syncing.length === 0 && this.#committed.length === 0
  }

  /** Resolves when all that is committed now is durable; undefined if it is. */
  durable(): Promise<void> | undefined {
    const last = this.#committed.at(-1) ?? this.#syncing.at(-1)
    if (!last) return undefined
    return new Promise((answer, reject) => {
      if (this.#stuck) reject(unavailable(stuck))
      else if (this.#syncFailed) reject(unavailable('it is not known to be on the disk'))
      else last.waiting.push({ answer, reject })
    })
  }

  #transact(): void {
    const writes = this.#writes
    this.#writes = []
    this.#wanted = false
    clearTimeout(this.#lazyTimer)
    this.#lazyTimer = undefined
    const waiting: Waiting[] = []
    const startedAt = performance.now()
    try {
      this.#begin.run()
      for (const { run, resolve, reject } of writes) {
        try {
          const value = run()
          waiting.push({ answer: () => resolve(value), reject })
        } catch (error) {
          if (!(error instanceof TaskError)) throw error
          waiting.push({ answer: () => reject(error), reject })
        }
      }
      this.#hooks.beforeCommit()
      this.#commit.run()
    } catch (error) {
      this.#rollBack()
      this.#hooks.failed(error)
      for (const { reject } of writes) reject(unavailable(error))
      return
    }
    this.#committed.push({ startedAt, whenDurable: this.#hooks.committed(), waiting })
    this.#sync()
  }

  #sync(): void {
    if (this.#syncing.length > 0 || this.#committed.length === 0) return
    const transactions = this.#committed
    this.#syncing = transactions
    this.#committed = []
    const log = this.#log
    const unwritten = this.#syncFailed && log ? errorOf(() => log.rewrite()) : null
    if (!log || unwritten) {
      this.#synced(unwritten)
      return
    }
    // Two ticks in place of one timeout: after a pause of the whole process the first fires before an answer that is there is read.
    let halves = 0
    const timer = setInterval(() => ++halves === 2 && this.#giveUpWaiting(), patienceMs / 2)
    log.sync((error) => {
      clearInterval(timer)
      this.#synced(error)
    })
  }

  /** Until the disk answers, outcomes are unknown, and no more writes may pile up. */
  #giveUpWaiting(): void {
    this.#stuck = true
    this.#hooks.failed(stuck)
    for (const { reject } of this.#writes) reject(unavailable(stuck))
    this.#writes = []
    for (const transaction of [...this.#syncing, ...this.#committed]) rejectAll(transaction, stuck)
  }

  #synced(error: Error | null): void {
    this.#syncFailed = error !== null
    this.#stuck = false
    const transactions = this.#syncing
    try {
      if (error === null) this.#answer(transactions)
      else this.#fail(transactions, error)
    } finally {
      this.#syncing = []
      if (error === null) this.#checkpoint()
      // At once, so that the disk is at work again while the answers are made. Not after a failure: that is tried again later.
      if (error === null && this.#checkpointDue && this.#committed.length > 0) this.#sync()
      else if (this.#wanted && error === null && !this.#scheduled) this.#transact()
      else if (this.#wanted) this.schedule()
      else if (error === null) this.#sync()
    }
  }

  #answer(transactions: Committed[]): void {
    for (const { startedAt, whenDurable, waiting } of transactions) {
      whenDurable()
      this.#hooks.durable((performance.now() - startedAt) / 1000)
      for (const { answer } of waiting) answer()
    }
  }

  #fail(transactions: Committed[], error: Error): void {
    this.#hooks.failed(error)
    for (const transaction of transactions) rejectAll(transaction, error)
    this.#committed.unshift(...transactions)
  }

  /**
   * Copies a long log into the database file, once all of it is durable: the database must not get ahead of its log, in
   * which a power loss would leave older pages.
   */
  #checkpoint(): void {
    const pages = this.#log?.pages() ?? 0
    this.#checkpointDue = pages >= this.#checkpointAt
    if (!this.#log || !this.#checkpointDue || this.#committed.length > 0) return
    this.#checkpointDue = false
    this.#checkpointAt = checkpointPages
    try {
      this.#log.checkpoint()
    } catch (error) {
      // It may have been a sync of the log, too.
      this.#syncFailed = true
      this.#checkpointAt = pages + checkpointPages
      this.#hooks.checkpointFailed(error)
    }
  }

  #rollBack(): void {
    try {
      // A full disk or an I/O error may have ended the transaction already.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
    } catch {
      // The next BEGIN says what is wrong.
    }
  }
}

function rejectAll(transaction: Committed, error: unknown): void {
  for (const { reject } of transaction.waiting) reject(unavailable(error))
  transaction.waiting = []
}

function unavailable(error: unknown): TaskError {
  return new TaskError('STORE_UNAVAILABLE', error instanceof Error ? error.message : error)
}
