import { TaskError } from '../errors.ts'
import type { Log } from '../log.ts'

// Without a successful renewal for this long the process is unready, whatever else works.
const staleMs = 5_000

/** Whether a command was not sent, because its connection was lost; ioredis has no code for that. */
export const isUnsent = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith("Stream isn't writeable")

/** The one place that knows whether Redis can be used, since when, and why not. */
export class Availability {
  readonly #log: Log
  #problem: { reason: string; since: number } | undefined = {
    reason: 'not connected yet',
    since: performance.now()
  }
  #unsupported: string | undefined
  #renewedAt = Number.NEGATIVE_INFINITY
  #waiting: (() => void)[] = []

  constructor(log: Log) {
    this.#log = log
  }

  /** Why this Redis must not be used, however well it works. */
  get unsupported(): string | undefined {
    return this.#unsupported
  }

  /** Why Redis cannot be used; undefined while it can. */
  get problem(): string | undefined {
    if (this.#unsupported) return this.#unsupported
    if (this.#problem) return this.#problem.reason
    const staleForMs = performance.now() - this.#renewedAt
    return staleForMs > staleMs ? `leases were not renewed for ${Math.round(staleForMs)} ms` : undefined
  }

  /** Throws STORE_UNAVAILABLE while Redis cannot be used. */
  require(): void {
    const { problem } = this
    if (problem !== undefined) throw new TaskError('STORE_UNAVAILABLE', problem)
  }

  /** Notes that something failed; answers why, as it is best known. */
  failed(error: unknown): string {
    const { problem } = this
    let reason = error instanceof Error ? error.message || error.name : String(error)
    // It says only that the connection was lost; why was known before.
    if (isUnsent(error)) reason = problem ?? 'the connection was lost'
    if (this.#problem?.reason === reason) return reason
    this.#log.error({ reason }, 'the task store cannot be used')
    this.#problem = { reason, since: this.#problem?.since ?? performance.now() }
    return reason
  }

  /** Notes that the leases were renewed: that writes, so all else works as well. */
  renewed(): void {
    this.#renewedAt = performance.now()
    if (this.#problem) {
      const seconds = (performance.now() - this.#problem.since) / 1000
      this.#problem = undefined
      this.#log.info({ seconds }, 'the task store can be used again')
    }
    if (this.#unsupported) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  examined(unsupported: string | undefined): void {
    this.#unsupported = unsupported
    if (unsupported) this.#log.error({ reason: unsupported }, 'the task store must not be used')
  }

  /** Resolves when Redis can be used, at the next renewal if it cannot now. */
  async usable(): Promise<void> {
    if (this.problem === undefined) return
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
