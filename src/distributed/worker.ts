import { setTimeout as sleep } from 'node:timers/promises'
import type { Claim, EngineHost } from '../engine.ts'
import { TaskError } from '../errors.ts'
import type { Log } from '../log.ts'
import { within } from '../timers.ts'
import type { Availability } from './availability.ts'
import { fetchLoop } from './fetch-loop.ts'
import { finish } from './finish.ts'
import type { BegunAttempt, ClaimedTask, Claims, Jobs } from './jobs.ts'
import { LeaseLoop } from './lease-loop.ts'
import { Recovery } from './recovery.ts'
import { leaseMs } from './scripts/shared.ts'
import { type Slot, Slots } from './slots.ts'

export interface WorkerOptions {
  availability: Availability
  jobs: Jobs
  host: EngineHost
  maxRunning: number
  log: Log
}

export const retryMs = 250
const stopWithinMs = 500

/**
 * Runs tasks of the queue in this process: fetches them for its free slots (fetch-loop.ts), renews their leases (lease-loop.ts),
 * records their outcomes (finish.ts), and resolves those of lost processes (recovery.ts).
 */
export class Worker {
  readonly slots: Slots
  readonly jobs: Jobs
  readonly host: EngineHost
  readonly log: Log
  readonly availability: Availability
  readonly recovery: Recovery
  readonly #lease: LeaseLoop
  /** Commands that `stop` waits for. */
  readonly #pending = new Set<Promise<unknown>>()
  /** Claimed tasks that begin with the next command. */
  #unbegun: Slot[] = []
  #claiming = false
  #stopped = false

  constructor({ availability, jobs, host, maxRunning, log }: WorkerOptions) {
    this.availability = availability
    this.jobs = jobs
    this.host = host
    this.log = log
    this.slots = new Slots(maxRunning)
    this.recovery = new Recovery(this)
    this.#lease = new LeaseLoop(this)
    void fetchLoop(this)
  }

  get stopped(): boolean {
    return this.#stopped
  }

  get claiming(): boolean {
    return this.#claiming
  }

  setClaiming(claiming: boolean): void {
    this.#claiming = claiming
    this.slots.notify()
  }

  /** Stops a task if it runs here. */
  cancel(taskId: string): void {
    this.slots.get(taskId)?.stop.trigger('client')
  }

  /** Looks at once for what was claimed by commands whose answers were lost, and for what this process has lost. */
  renewLeases(): void {
    void this.#lease.renew()
  }

  /** Claims nothing more. What still runs is lost, as if this process had died. */
  async stop(): Promise<void> {
    this.#claiming = false
    this.#stopped = true
    this.slots.notify()
    this.#lease.stop()
    const woken = this.jobs.wakeAnother().catch(() => {})
    await within(stopWithinMs, Promise.all([woken, this.#nothingPending()]))
  }

  /** Runs a command that claims, with slots reserved for its claims, and takes them. */
  async claim<T extends { claims: Claims }>(count: number, run: () => Promise<T>): Promise<T> {
    this.slots.reserve(count)
    const free = () => this.slots.unreserve(count)
    // In one step: what was reserved is free only for what was claimed.
    const answer = run().then(
      (result) => {
        free()
        this.#takeAll(result.claims)
        return result
      },
      (error) => {
        free()
        throw error
      }
    )
    this.#track(answer)
    return answer
  }

  #takeAll({ claimed, lost, full }: Claims): void {
    this.take(claimed)
    for (const attempt of lost) this.#track(this.recovery.resolve(attempt, true))
    // The answers to some of its claims were lost.
    if (full) this.renewLeases()
    this.slots.notify()
  }

  /** Begins claimed tasks, or gives them back if there is no slot for them. */
  take(tasks: readonly ClaimedTask[]): void {
    const unwanted: string[] = []
    for (const task of tasks) {
      // A task that this process lost and claimed again, before it knew that, is found by a later renewal, when its slot is free.
      if (this.slots.get(task.taskId)) continue
      if (this.#claiming && this.slots.free > 0) this.#unbegun.push(this.slots.add(task))
      else unwanted.push(task.taskId)
    }
    // Once what else was answered at the same moment has been taken: one command begins them all.
    if (this.#unbegun.length > 0) process.nextTick(() => this.#beginAll())
    if (unwanted.length > 0) this.#track(this.jobs.release(unwanted))
  }

  #beginAll(): void {
    const slots = this.#unbegun
    this.#unbegun = []
    if (slots.length > 0) this.#track(this.#begin(slots))
  }

  async #begin(slots: readonly Slot[]): Promise<void> {
    const taskIds = slots.map(({ task }) => task.taskId)
    if (!this.#claiming) {
      for (const slot of slots) this.slots.delete(slot)
      await this.jobs.release(taskIds)
      return
    }
    let begun: Map<string, BegunAttempt> | undefined
    let sentAt: number
    do {
      sentAt = performance.now()
      begun = await this.persist(
        () => true,
        () => this.jobs.begin(taskIds)
      )
      // An answer that a frozen process reads too late does not say that the leases still last.
    } while (begun && performance.now() - sentAt > leaseMs)
    for (const slot of slots) {
      const attempt = begun?.get(slot.task.taskId)
      // Cancelled, or lost, before it began.
      if (!attempt) this.slots.delete(slot)
      else this.#run(slot, attempt)
    }
  }

  #run(slot: Slot, begun: BegunAttempt): void {
    slot.begun = begun
    if (!this.#claiming) {
      // Claiming was switched off while Redis began it.
      this.#track(finish(this, slot, { status: 'pending', reason: 'shutdown', delayMs: 0 }))
      return
    }
    void this.host.run(this.#toClaim(slot, begun)).then((outcome) => finish(this, slot, outcome))
  }

  #toClaim(slot: Slot, { attempt, startedAt, waitedMs }: BegunAttempt): Claim {
    const { jobs } = this
    const { taskId } = slot.task
    const clockOffsetMs = startedAt - Date.now()
    let reports = 0
    return {
      ...slot.task,
      attempt,
      waitedMs,
      stop: slot.stop,
      durable: undefined,
      progress: async (value, text, at) => {
        const data = JSON.stringify({ value, text })
        const report = { number: ++reports, data, at: at + clockOffsetMs, acknowledged: false }
        // The end of the attempt says it again if need be.
        slot.report = report
        await jobs.progress(taskId, attempt, report)
        report.acknowledged = true
      },
      checkpoint: async (state) => {
        const saved = await this.persist(
          () => this.slots.has(slot),
          () => jobs.checkpoint(taskId, attempt, state)
        )
        if (!saved) throw new TaskError('ATTEMPT_LOST', attempt, taskId)
      }
    }
  }

  /** Tries again for as long as it is wanted: the work is done, or goes on, and must not be lost. */
  async persist<T>(isWanted: () => boolean, write: () => Promise<T>): Promise<T | undefined> {
    while (isWanted()) {
      try {
        return await write()
      } catch {
        // At the end of the process one try is what there is time for.
        if (this.#stopped) return undefined
        await sleep(retryMs)
      }
    }
    return undefined
  }

  #track(promise: Promise<unknown>): void {
    this.#pending.add(promise)
    const done = () => this.#pending.delete(promise)
    promise.then(done, done)
  }

  /** A claim that was under way is given back, which takes one more command. */
  async #nothingPending(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled([...this.#pending])
  }
}
