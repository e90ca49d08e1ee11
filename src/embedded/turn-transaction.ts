import type { DatabaseSyncInstance } from '@photostructure/sqlite'
import { TaskError } from '../errors.ts'

interface Write {
  run: () => unknown
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

/** What its owner does around each transaction. */
interface Hooks {
  /** Runs as the last part of every transaction. */
  beforeCommit(): void
  committed(seconds: number): void
  /** Nothing of this transaction happened. */
  rolledBack(error: unknown): void
}

/**
 * Groups all writes of one event-loop turn into one transaction, so that they share one fsync.
 * A write that throws a TaskError must not have changed anything yet; it alone is rejected. Any other
 * error rolls the whole turn back, and all its writes are rejected with STORE_UNAVAILABLE.
 */
export class TurnTransaction {
  readonly #db: DatabaseSyncInstance
  readonly #hooks: Hooks
  #writes: Write[] = []
  #scheduled = false

  constructor(db: DatabaseSyncInstance, hooks: Hooks) {
    this.#db = db
    this.#hooks = hooks
  }

  /** Resolves with what `run` returned when it is durable. */
  write<T>(run: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // The queue holds writes of many types; each one's own promise gives it its type back.
      this.#writes.push({ run, resolve: resolve as (value: unknown) => void, reject })
      this.schedule()
    })
  }

  /** Makes sure that there is a transaction at the end of this turn, even without a write. */
  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#commit())
  }

  #commit(): void {
    this.#scheduled = false
    const writes = this.#writes
    this.#writes = []
    const answers: (() => void)[] = []
    const start = performance.now()
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      for (const { run, resolve, reject } of writes) {
        try {
          const value = run()
          answers.push(() => resolve(value))
        } catch (error) {
          if (!(error instanceof TaskError)) throw error
          answers.push(() => reject(error))
        }
      }
      this.#hooks.beforeCommit()
      this.#db.exec('COMMIT')
    } catch (error) {
      this.#rollBack()
      this.#hooks.rolledBack(error)
      const unavailable = new TaskError('STORE_UNAVAILABLE', error instanceof Error ? error.message : error)
      for (const { reject } of writes) reject(unavailable)
      return
    }
    this.#hooks.committed((performance.now() - start) / 1000)
    for (const answer of answers) answer()
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
