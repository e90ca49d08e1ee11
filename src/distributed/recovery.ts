import { afterCancel } from '../outcome.ts'
import type { LostAttempt } from './jobs.ts'
import { recoverEveryMs } from './scripts/lease.ts'
import { leaseMs } from './scripts/shared.ts'
import type { Worker } from './worker.ts'

// A longer silence may have cost others their leases as well: they get the time to take them again.
const silenceMs = 2_000

/** Finds attempts whose processes are lost, and resolves their outcomes as their types say. */
export class Recovery {
  readonly #worker: Worker
  #contactAt = Number.NEGATIVE_INFINITY
  #inTouchSince = 0
  #ranAt = Number.NEGATIVE_INFINITY
  #running = false

  constructor(worker: Worker) {
    this.#worker = worker
  }

  /** This process has just renewed its leases. */
  noteContact(): void {
    const now = performance.now()
    if (now - this.#contactAt > silenceMs) this.#inTouchSince = now
    this.#contactAt = now
  }

  /** Looks for jobs whose leases have run out, when it is time. Never rejects. */
  async run(): Promise<void> {
    if (this.#running || !this.#isDue()) return
    this.#running = true
    try {
      const { jobs } = this.#worker
      for (const lost of await jobs.recover()) await this.resolve(lost, false)
      for (const lost of await jobs.repair()) await this.resolve(lost, false)
    } catch {
      // Whoever looks next finds them.
    } finally {
      this.#running = false
    }
  }

  /** Says what becomes of an attempt; `claimed` if its job is this process's now. Never rejects. */
  async resolve(lost: LostAttempt, claimed: boolean): Promise<void> {
    const { jobs, host, log } = this.#worker
    const { taskId, type, attempt } = lost
    const outcome = host.resolveLost(lost)
    try {
      const finished = await jobs.finishLost(lost, outcome, claimed)
      if (finished.status === 'refused') return
      log.warn({ taskId, type, attempt }, 'the process that ran a task is lost')
      const { startedAt, endedAt, status } = finished
      const recorded = status === outcome.status ? outcome : afterCancel(outcome)
      host.attemptEnded({ taskId, type, attempt, startedAt, endedAt }, recorded)
    } catch {
      // Its job is found again, by the next process that claims it, or when its lease has run out.
    }
  }

  /** Not soon after this process, or Redis, was away: the others take their leases again first. */
  #isDue(): boolean {
    const now = performance.now()
    if (now - this.#contactAt > silenceMs || now - this.#inTouchSince < leaseMs) return false
    if (now - this.#ranAt < recoverEveryMs) return false
    this.#ranAt = now
    return true
  }
}
