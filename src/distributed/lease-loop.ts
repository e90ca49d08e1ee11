import type { ClaimedTask } from './jobs.ts'
import type { Worker } from './worker.ts'

// A cancel whose message was lost is noticed within this time.
const renewEveryMs = 500

/** Keeps the leases of all that this process has claimed, and says by that whether Redis can be used. */
export class LeaseLoop {
  readonly #worker: Worker
  readonly #timer: NodeJS.Timeout
  #renewing: Promise<void> | undefined
  /** What the last renewal found claimed and unknown here. */
  #unknown = new Set<string>()

  constructor(worker: Worker) {
    this.#worker = worker
    this.#timer = setInterval(() => void this.renew(), renewEveryMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Renews them, unless that is under way. Never rejects. */
  renew(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async #renew(): Promise<void> {
    const { availability, jobs, slots, recovery } = this.#worker
    try {
      const { problem, stops, unknown } = await jobs.renew(slots.known())
      for (const { taskId, attempt, cause } of stops) {
        const slot = slots.get(taskId)
        if (slot?.begun?.attempt === attempt) slot.stop.trigger(cause)
      }
      this.#recall(unknown)
      if (problem !== undefined) {
        availability.failed(problem)
        return
      }
      availability.renewed()
      recovery.noteContact()
    } catch {
      // The connection has said what is wrong; the next time comes soon.
    }
    void recovery.run()
  }

  /**
   * Takes what was claimed by a command whose answer was lost. An answer that is only on its way comes before the next renewal
   * is sent: what that one does not know of either is taken.
   */
  #recall(unknown: readonly ClaimedTask[]): void {
    const lost = unknown.filter(({ taskId }) => this.#unknown.has(taskId))
    this.#unknown = new Set(unknown.map(({ taskId }) => taskId))
    if (lost.length === 0) return
    const { log } = this.#worker
    log.warn({ tasks: lost.length }, 'starting tasks that were claimed by a command whose answer was lost')
    this.#worker.take(lost)
  }
}
