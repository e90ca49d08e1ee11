import { setTimeout as sleep } from 'node:timers/promises'
import type { ShutdownReport } from './engine.ts'
import { TaskError } from './errors.ts'
import type { Log } from './log.ts'

export type Phase = 'serving' | 'delaying' | 'draining' | 'cancelling' | 'closed'
export type ShutdownOutcome = 'clean' | 'cancelled' | 'forced'

/** Something that has work to finish before the process may leave. */
export interface DrainParticipant {
  /** Takes on no new work. */
  pause(): void
  /** Takes on work again: the drain was undone. */
  resume(): void
  /** Resolves when no work is left; never rejects. */
  idle(): Promise<void>
  /** Time is over: ends what still runs. Resolves when that is recorded, with whether force was needed. */
  cancel(): Promise<{ forced: boolean }>
}

export interface ShutdownOptions {
  delayMs: number
  timeoutMs: number
  cancelGraceMs: number
  log: Log
}

// What recording the last outcomes may take, beyond CANCEL_GRACE, before the process leaves without them.
const settleMs = 1_000

/** The state of leaving: what phase the process is in, why and until when, and the sequence from one to the next. */
export class Shutdown {
  readonly #options: ShutdownOptions
  readonly #participants: { name: string; participant: DrainParticipant }[] = []
  readonly #listeners: ((draining: boolean) => void)[] = []
  readonly #leftListeners: ((report: ShutdownReport) => unknown)[] = []
  #phase: Phase = 'serving'
  #reason: string | null = null
  #since: Date | null = null
  #deadline: Date | null = null
  #exiting = false
  #exitReason = 'close'
  #settled = true

  constructor(options: ShutdownOptions) {
    this.#options = options
  }

  /** Whether every task's outcome was recorded. */
  get settled(): boolean {
    return this.#settled
  }

  get phase(): Phase {
    return this.#phase
  }

  /** What started the drain: `SIGTERM`, `SIGINT`, `admin`, `close` or what an operator wrote. */
  get reason(): string | null {
    return this.#reason
  }

  get since(): Date | null {
    return this.#since
  }

  /** When running tasks are stopped; null while serving, and for a drain by hand. */
  get deadline(): Date | null {
    return this.#deadline
  }

  /** Whether the process wants no more traffic; in the phase `delaying` it still serves all that comes. */
  isDraining(): boolean {
    return this.#phase !== 'serving'
  }

  acceptsTasks(): boolean {
    return this.#phase === 'serving' || this.#phase === 'delaying'
  }

  /** Registers work to wait for; in dependency order, which is the order of registration. */
  onDrain(name: string, participant: DrainParticipant): void {
    this.#participants.push({ name, participant })
  }

  /** Called whenever `isDraining` changes. */
  onChange(listener: (draining: boolean) => void): void {
    this.#listeners.push(listener)
  }

  /** Starts or undoes a drain by hand; repeating it changes nothing. SHUTTING_DOWN once the process is exiting. */
  setDraining(draining: boolean, reason = 'admin'): void {
    if (!draining && this.#exiting) throw new TaskError('SHUTTING_DOWN')
    if (draining === this.isDraining()) return
    this.#options.log.info({ reason }, draining ? 'draining' : 'no longer draining')
    if (draining) {
      this.#begin(reason)
      this.#pause()
    } else {
      this.#phase = 'serving'
      this.#reason = null
      this.#since = null
      for (const { participant } of this.#participants) participant.resume()
      for (const listener of this.#listeners) listener(false)
    }
  }

  /** Resolves with true when it is safe to leave, with false when the time is over. */
  async waitForShutdown(timeoutSeconds = this.#options.timeoutMs / 1000): Promise<boolean> {
    const idle = Promise.all(this.#participants.map(({ participant }) => participant.idle()))
    return within(timeoutSeconds * 1000, idle)
  }

  /** Says why the process is about to leave, before `leave` does it; a drain by hand cannot be undone from here on. */
  announce(reason: string): void {
    this.#exiting = true
    this.#exitReason = reason
  }

  /** Called with the report when nothing runs any more, while the store and the listener are still open. */
  onLeft(listener: (report: ShutdownReport) => unknown): void {
    this.#leftListeners.push(listener)
  }

  /** The whole way out: delay, drain, and at the deadline the end of what still runs. */
  async leave(): Promise<void> {
    const { delayMs, timeoutMs, cancelGraceMs, log } = this.#options
    const reason = this.#exitReason
    const start = performance.now()
    this.#exiting = true
    if (this.#phase === 'serving') {
      this.#begin(reason)
      if (delayMs > 0) {
        this.#phase = 'delaying'
        log.info(
          { reason, delaySeconds: delayMs / 1000 },
          'leaving, still serving while load balancers notice'
        )
        await sleep(delayMs)
      }
    }
    this.#reason = reason
    this.#deadline = new Date(Date.now() + timeoutMs)
    this.#pause()
    log.info({ reason, deadline: this.#deadline }, 'draining before exit')

    let outcome: ShutdownOutcome = 'clean'
    if (!(await this.waitForShutdown())) outcome = await this.#cancel(cancelGraceMs + settleMs)
    const report = { reason, outcome, seconds: (performance.now() - start) / 1000 }
    log.info(report, 'drained')
    for (const listener of this.#leftListeners) await listener(report)
  }

  async #cancel(budgetMs: number): Promise<ShutdownOutcome> {
    this.#phase = 'cancelling'
    const cancelled = Promise.all(this.#participants.map(({ participant }) => participant.cancel()))
    this.#settled = await within(budgetMs, cancelled)
    if (!this.#settled) return 'forced'
    return (await cancelled).some(({ forced }) => forced) ? 'forced' : 'cancelled'
  }

  closed(): void {
    this.#phase = 'closed'
  }

  #begin(reason: string): void {
    this.#phase = 'draining'
    this.#reason = reason
    this.#since = new Date()
    for (const listener of this.#listeners) listener(true)
  }

  #pause(): void {
    this.#phase = 'draining'
    for (const { participant } of this.#participants) participant.pause()
  }
}

/** Whether the promise resolves within that time. */
export async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController()
  try {
    return await Promise.race([promise.then(() => true), sleep(ms, false, { signal: timer.signal })])
  } finally {
    timer.abort()
  }
}
