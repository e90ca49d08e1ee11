import { setTimeout as sleep } from 'node:timers/promises'
import type { ShutdownReport } from './engine.ts'
import { TaskError } from './errors.ts'
import type { Log } from './log.ts'

export type Phase = 'serving' | 'delaying' | 'draining' | 'cancelling' | 'closed'

/** Something that has work to finish before the process may leave. */
export interface DrainParticipant {
  /** Takes on no new work. */
  pause(): void
  /** Takes on work again: the drain was undone. */
  resume(): void
  /** How much work is left. */
  remaining(): number
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
const reportEveryMs = 1_000

/** The state of leaving: what phase the process is in, why and until when, and the sequence from one to the next. */
export class Shutdown {
  readonly #options: ShutdownOptions
  readonly #log: Log
  readonly #participants: DrainParticipant[] = []
  readonly #changeListeners: ((draining: boolean) => void)[] = []
  readonly #drainedListeners: ((report: ShutdownReport) => unknown)[] = []
  readonly #leftListeners: ((report: ShutdownReport) => unknown)[] = []
  #phase: Phase = 'serving'
  #reason: string | null = null
  #since: Date | null = null
  #deadline: Date | null = null
  #exitReason: string | undefined
  #settled = true
  #reportTimer: NodeJS.Timeout | undefined

  constructor(options: ShutdownOptions) {
    this.#options = options
    this.#log = options.log
  }

  get phase(): Phase {
    return this.#phase
  }

  /** What started the drain: `SIGTERM`, `SIGINT`, `close`, `admin` or what an operator wrote. */
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

  /** Whether the process is on its way out, which cannot be undone. */
  get exiting(): boolean {
    return this.#exitReason !== undefined
  }

  /** Whether every task's outcome was recorded; false makes the exit code 1. */
  get settled(): boolean {
    return this.#settled
  }

  /** Whether the process wants no more traffic; in the phase `delaying` it still serves all that comes. */
  isDraining(): boolean {
    return this.#phase !== 'serving'
  }

  acceptsTasks(): boolean {
    return this.#phase === 'serving' || this.#phase === 'delaying'
  }

  /** Registers work to wait for; in dependency order, which is the order of registration. */
  onDrain(participant: DrainParticipant): void {
    this.#participants.push(participant)
  }

  /** Called whenever `isDraining` changes. */
  onChange(listener: (draining: boolean) => void): void {
    this.#changeListeners.push(listener)
  }

  /** Called with the report of each drain that came to its end, by hand or before an exit. */
  onDrained(listener: (report: ShutdownReport) => unknown): void {
    this.#drainedListeners.push(listener)
  }

  /** Called and waited for before an exit, in order, when nothing runs any more and the listener is still open. */
  onLeft(listener: (report: ShutdownReport) => unknown): void {
    this.#leftListeners.push(listener)
  }

  /** Starts or undoes a drain by hand; repeating it changes nothing. SHUTTING_DOWN once the process is exiting. */
  setDraining(draining: boolean, reason = 'admin'): void {
    if (!draining && this.exiting) throw new TaskError('SHUTTING_DOWN')
    if (draining === this.isDraining()) return
    if (draining) {
      this.#begin('draining', reason)
      this.#pause()
      this.#log.info(
        { reason, tasks: this.#remaining() },
        'draining by hand, until told to serve again or to exit'
      )
      void this.#reportDrainByHand()
    } else {
      this.#phase = 'serving'
      this.#reason = null
      this.#since = null
      clearInterval(this.#reportTimer)
      for (const participant of this.#participants) participant.resume()
      for (const listener of this.#changeListeners) listener(false)
      this.#log.info('the drain was undone, serving again')
    }
  }

  /** Resolves with true when it is safe to leave, with false when the time is over. */
  async waitForShutdown(timeoutSeconds = this.#options.timeoutMs / 1000): Promise<boolean> {
    return within(timeoutSeconds * 1000, this.#idle())
  }

  /** Says that the process will `leave`, and why; from here on a drain cannot be undone. */
  announce(reason: string): void {
    this.#exitReason ??= reason
  }

  /** The whole way out: delay, drain, and at the deadline the end of what still runs. */
  async leave(): Promise<void> {
    this.announce('close')
    const { delayMs, timeoutMs, cancelGraceMs } = this.#options
    const reason = this.#exitReason ?? 'close'
    const start = performance.now()

    // A drain by hand has told the load balancers already.
    const delayLeftMs = this.#since ? delayMs - (Date.now() - this.#since.getTime()) : delayMs
    if (this.#phase === 'serving') this.#begin(delayMs > 0 ? 'delaying' : 'draining', reason)
    this.#reason = reason
    if (delayLeftMs > 0) {
      this.#log.info(
        { reason, seconds: delayLeftMs / 1000 },
        'leaving; still serving until load balancers have noticed'
      )
      await sleep(delayLeftMs)
    }

    this.#deadline = new Date(Date.now() + timeoutMs)
    this.#pause()
    this.#log.info({ reason, tasks: this.#remaining(), deadline: this.#deadline }, 'draining before exit')
    let outcome: ShutdownReport['outcome'] = 'clean'
    if (!(await this.waitForShutdown())) outcome = await this.#cancel(cancelGraceMs + settleMs)
    clearInterval(this.#reportTimer)

    const report: ShutdownReport = { reason, outcome, seconds: (performance.now() - start) / 1000 }
    this.#log.info(report, this.#settled ? 'drained' : 'leaving although outcomes could not be recorded')
    for (const listener of [...this.#drainedListeners, ...this.#leftListeners]) await listener(report)
  }

  closed(): void {
    this.#phase = 'closed'
  }

  #begin(phase: 'delaying' | 'draining', reason: string): void {
    this.#phase = phase
    this.#reason = reason
    this.#since = new Date()
    for (const listener of this.#changeListeners) listener(true)
  }

  #pause(): void {
    this.#phase = 'draining'
    for (const participant of this.#participants) participant.pause()
    clearInterval(this.#reportTimer)
    this.#reportTimer = setInterval(() => this.#reportProgress(), reportEveryMs).unref()
  }

  /** A drain by hand is over when nothing runs, if it has not been undone or become an exit by then. */
  async #reportDrainByHand(): Promise<void> {
    const since = this.#since
    await this.#idle()
    if (this.#since !== since || since === null || this.exiting) return
    const report: ShutdownReport = {
      reason: 'admin',
      outcome: 'clean',
      seconds: (Date.now() - since.getTime()) / 1000
    }
    this.#log.info(report, 'drained by hand, nothing runs any more')
    for (const listener of this.#drainedListeners) await listener(report)
  }

  async #cancel(budgetMs: number): Promise<ShutdownReport['outcome']> {
    this.#phase = 'cancelling'
    const cancelled = Promise.all(this.#participants.map((participant) => participant.cancel()))
    this.#settled = await within(budgetMs, cancelled)
    if (!this.#settled) return 'forced'
    return (await cancelled).some(({ forced }) => forced) ? 'forced' : 'cancelled'
  }

  #reportProgress(): void {
    const tasks = this.#remaining()
    if (tasks === 0) return
    const secondsLeft =
      this.#deadline && Math.max(0, Math.round((this.#deadline.getTime() - Date.now()) / 1000))
    this.#log.info({ tasks, secondsLeft, phase: this.#phase }, 'draining, tasks are still running')
  }

  #remaining(): number {
    return this.#participants.reduce((sum, participant) => sum + participant.remaining(), 0)
  }

  async #idle(): Promise<void> {
    await Promise.all(this.#participants.map((participant) => participant.idle()))
  }
}

/** Whether the promise resolves within that time. */
export function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms, false)
    promise.then(() => resolve(true), reject).finally(() => clearTimeout(timer))
  })
}
