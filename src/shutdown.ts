import { setTimeout as sleep } from 'node:timers/promises'
import type { ShutdownReport } from './engine.ts'
import { TaskError } from './errors.ts'
import type { Log } from './log.ts'
import { maxTimerMs, within } from './timers.ts'

export type Phase = 'serving' | 'delaying' | 'draining' | 'cancelling' | 'closed'

/** A part of the service that has work to finish before the process may exit. */
export interface DrainParticipant {
  /** For the log. */
  readonly name: string
  /** Takes on no new work. */
  pause(): void
  /** Takes on work again: the drain was undone. */
  resume(): void
  /** How much work is left. */
  remaining(): number
  /** Resolves when no work is left. */
  idle(): Promise<void>
  /** The deadline is over: aborts what still runs. Resolves once that is recorded, with whether force was needed. */
  cancel(): Promise<{ forced: boolean }>
}

export interface ShutdownOptions {
  delayMs: number
  timeoutMs: number
  cancelGraceMs: number
  log: Log
}

/** How long an exit may take beyond the configured budgets. */
export const exitMarginMs = 2_000
// How long recording the last outcomes may take, beyond CANCEL_GRACE, before the process exits without them.
const recordMs = 1_000
const reportEveryMs = 1_000

/** The state of a shutdown: its phase, reason and deadline, and the sequence from one phase to the next. */
export class Shutdown {
  readonly #options: ShutdownOptions
  readonly #log: Log
  readonly #participants: DrainParticipant[] = []
  readonly #changeListeners: ((draining: boolean) => void)[] = []
  readonly #drainedListeners: ((report: ShutdownReport) => void)[] = []
  readonly #exitSteps: { name: string; run: (report: ShutdownReport) => unknown }[] = []
  #phase: Phase = 'serving'
  #reason: string | null = null
  #since: Date | null = null
  /** When the drain began and when it must end, on the monotonic clock: the wall clock may be set meanwhile. */
  #beganAt = 0
  #endsAt = 0
  #deadline: Date | null = null
  #exitReason: string | undefined
  #succeeded = true
  #reportTimer: NodeJS.Timeout | undefined

  constructor(options: ShutdownOptions) {
    this.#options = options
    this.#log = options.log
  }

  get phase(): Phase {
    return this.#phase
  }

  /** What started the drain: `SIGTERM`, `SIGINT`, `crash`, `close`, `admin` or what an operator wrote. */
  get reason(): string | null {
    return this.#reason
  }

  get since(): Date | null {
    return this.#since
  }

  /** When running tasks are aborted; null while serving, and for a drain by hand. */
  get deadline(): Date | null {
    return this.#deadline
  }

  /** Whether the process is about to exit, which cannot be undone. */
  get exiting(): boolean {
    return this.#exitReason !== undefined
  }

  /** Whether every task's outcome was recorded and every step was done; false makes the exit code 1. */
  get succeeded(): boolean {
    return this.#succeeded
  }

  /** Whether the process is unready; in the phase `delaying` it still serves every request. */
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

  /** Called with the report of each finished drain, by hand or before an exit. */
  onDrained(listener: (report: ShutdownReport) => void): void {
    this.#drainedListeners.push(listener)
  }

  /** Adds a step to run before the exit. Steps run in order, once no work is left, while the listener is still open. */
  beforeExit(name: string, run: (report: ShutdownReport) => unknown): void {
    this.#exitSteps.push({ name, run })
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
        'draining by hand, until undone by DELETE /admin/drain or a signal'
      )
      void this.#reportDrainByHand()
    } else {
      this.#phase = 'serving'
      this.#reason = null
      this.#since = null
      clearInterval(this.#reportTimer)
      for (const participant of this.#participants)
        this.#guarded(`resuming ${participant.name}`, () => participant.resume())
      this.#notifyChange(false)
      this.#log.info('the drain was undone, serving again')
    }
  }

  /** Resolves with true once it is safe to exit, with false when the time is over. */
  async waitForShutdown(timeoutSeconds = this.#options.timeoutMs / 1000): Promise<boolean> {
    return within(timeoutSeconds * 1000, this.#idle())
  }

  /** Makes the drain end in an exit: from then on it cannot be undone. The first reason counts. */
  requestExit(reason: string): void {
    this.#exitReason ??= reason
  }

  /**
   * The whole sequence: delay, drain, abort what still runs at the deadline, run the steps before the exit.
   * Never rejects: a part that fails is logged, and the rest continues.
   */
  async run(): Promise<void> {
    this.requestExit('close')
    const { delayMs, timeoutMs, cancelGraceMs } = this.#options
    const reason = this.#exitReason ?? 'close'
    const start = performance.now()

    // After a drain by hand, load balancers already know.
    const delayLeftMs = this.#since ? delayMs - (performance.now() - this.#beganAt) : delayMs
    if (this.#phase === 'serving') this.#begin(delayMs > 0 ? 'delaying' : 'draining', reason)
    this.#reason = reason
    if (delayLeftMs > 0) {
      this.#log.info(
        { reason, seconds: inSeconds(delayLeftMs) },
        'shutdown requested; still serving until load balancers have noticed'
      )
      await sleep(Math.min(delayLeftMs, maxTimerMs))
    }

    this.#endsAt = performance.now() + timeoutMs
    this.#deadline = new Date(Date.now() + timeoutMs)
    this.#pause()
    this.#log.info({ reason, tasks: this.#remaining(), deadline: this.#deadline }, 'draining before exit')
    let outcome: ShutdownReport['outcome'] = 'clean'
    if (!(await this.waitForShutdown())) outcome = await this.#cancel(cancelGraceMs + recordMs)
    clearInterval(this.#reportTimer)

    const report: ShutdownReport = { reason, outcome, seconds: inSeconds(performance.now() - start) }
    if (this.#succeeded) this.#log.info(report, 'drained')
    else this.#log.error(report, 'drained, but not everything could be recorded')
    this.#notifyDrained(report)
    for (const { name, run } of this.#exitSteps) await this.#guarded(name, () => run(report))
  }

  closed(): void {
    this.#phase = 'closed'
  }

  /** Reports a failure outside of the sequence. */
  failed(err: unknown, what: string): void {
    this.#succeeded = false
    this.#log.error({ err }, `shutdown: ${what} failed`)
  }

  #begin(phase: 'delaying' | 'draining', reason: string): void {
    this.#phase = phase
    this.#reason = reason
    this.#since = new Date()
    this.#beganAt = performance.now()
    this.#notifyChange(true)
  }

  #pause(): void {
    this.#phase = 'draining'
    for (const participant of this.#participants)
      this.#guarded(`pausing ${participant.name}`, () => participant.pause())
    clearInterval(this.#reportTimer)
    this.#reportTimer = setInterval(() => this.#reportProgress(), reportEveryMs).unref()
  }

  /** A drain by hand is finished when nothing runs, unless it was undone or became an exit by then. */
  async #reportDrainByHand(): Promise<void> {
    const since = this.#since
    const beganAt = this.#beganAt
    await this.#idle()
    if (this.#since !== since || since === null || this.exiting) return
    const seconds = inSeconds(performance.now() - beganAt)
    const report: ShutdownReport = { reason: 'admin', outcome: 'clean', seconds }
    this.#log.info(report, 'drained by hand, nothing runs any more')
    this.#notifyDrained(report)
  }

  async #cancel(budgetMs: number): Promise<ShutdownReport['outcome']> {
    this.#phase = 'cancelling'
    let forced = false
    const cancelled = this.#participants.map((participant) =>
      this.#guarded(`cancelling ${participant.name}`, async () => {
        if ((await participant.cancel()).forced) forced = true
      })
    )
    if (!(await within(budgetMs, Promise.all(cancelled)))) {
      this.#succeeded = false
      return 'forced'
    }
    return forced ? 'forced' : 'cancelled'
  }

  #notifyChange(draining: boolean): void {
    for (const listener of this.#changeListeners) this.#guarded('a listener', () => listener(draining))
  }

  #notifyDrained(report: ShutdownReport): void {
    for (const listener of this.#drainedListeners) this.#guarded('a listener', () => listener(report))
  }

  /** Runs one part of the sequence; a failure must not keep the others from running. */
  #guarded(what: string, run: () => unknown): Promise<void> {
    try {
      return Promise.resolve(run()).then(
        () => {},
        (err) => this.failed(err, what)
      )
    } catch (err) {
      this.failed(err, what)
      return Promise.resolve()
    }
  }

  #reportProgress(): void {
    const tasks = this.#remaining()
    if (tasks === 0) return
    const secondsLeft = this.#deadline && Math.max(0, Math.round((this.#endsAt - performance.now()) / 1000))
    this.#log.info({ tasks, secondsLeft, phase: this.#phase }, 'draining, tasks are still running')
  }

  #remaining(): number {
    return this.#participants.reduce((sum, participant) => sum + participant.remaining(), 0)
  }

  async #idle(): Promise<void> {
    await Promise.all(
      this.#participants.map((participant) =>
        this.#guarded(`waiting for ${participant.name}`, () => participant.idle())
      )
    )
  }
}

/** Seconds with three decimals, for the log. */
function inSeconds(ms: number): number {
  return Math.round(ms) / 1000
}
