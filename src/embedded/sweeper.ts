import { steadyNow } from '../steady-clock.ts'
import { sweepIntervalMs } from '../stored.ts'
import type { Transactions } from './transactions.ts'

/** The longest that one slice of a sweep may hold up the requests that come meanwhile. */
const sliceMs = 5

/** Removes finished tasks that were kept long enough, in slices: each is a transaction. Never two sweeps at once. */
export class Sweeper {
  readonly #transactions: Transactions
  readonly #retentionMs: number
  readonly #failedRetentionMs: number
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(transactions: Transactions, retentionMs: number, failedRetentionMs: number) {
    this.#transactions = transactions
    this.#retentionMs = retentionMs
    this.#failedRetentionMs = failedRetentionMs
    this.#wait()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #wait(): void {
    const everyMs = sweepIntervalMs(Math.min(this.#retentionMs, this.#failedRetentionMs))
    this.#timer = setTimeout(() => void this.#sweep(), everyMs)
  }

  async #sweep(): Promise<void> {
    while (!this.#stopped && (await this.#sweepSlice()) > 0);
    if (!this.#stopped) this.#wait()
  }

  async #sweepSlice(): Promise<number> {
    const slice = this.#transactions.write((store) => {
      const end = performance.now() + sliceMs
      const now = steadyNow()
      const rows = store.endedBefore(now - this.#retentionMs, now - this.#failedRetentionMs, 500)
      let count = 0
      while (count < rows.length && performance.now() < end) {
        const row = rows[count++]
        if (row) this.#transactions.delete(row)
      }
      return count
    })
    // A store that fails is logged where it fails; the next sweep tries again.
    return slice.catch(() => 0)
  }
}
