import { setTimeout as sleep } from 'node:timers/promises'
import type { Claim, EngineHost, Outcome } from '../engine.ts'
import { TaskError } from '../errors.ts'
import type { Log } from '../log.ts'
import { afterCancel } from '../outcome.ts'
import { within } from '../shutdown.ts'
import { Stop } from '../stop.ts'
import type { Connection } from './connection.ts'
import { type Queue, stalledCheckMs } from './queue.ts'
import type { Attempt, Claims, Records, Settled, Started } from './records.ts'
import { lockMs } from './scripts.ts'

export interface AttemptsOptions {
  connection: Connection
  records: Records
  queue: Queue
  host: EngineHost
  /** The token of this process's locks. */
  owner: string
  maxRunning: number
  log: Log
}

interface Running {
  task: Started
  stop: Stop<'client' | 'lost'>
  /** The latest progress, as JSON text, when it was made, and whether it could not be written. */
  latest: { data: string; at: number; unsaid: boolean } | undefined
  /** What Redis's clock is ahead of this process's. */
  clockOffsetMs: number
  ended: Promise<void>
}

const retryMs = 250
// A cancel whose message was lost is noticed so late.
const confirmEveryMs = 500
// A longer silence may have cost others their locks as well: they get the time to take them again.
const silenceMs = 2_000
const maxWaitMs = 5_000
const stopWithinMs = 500

/** The attempts that run in this process: claims tasks for its free slots, keeps hold of them, writes what becomes of them. */
export class Attempts {
  readonly #options: AttemptsOptions
  readonly #running = new Map<string, Running>()
  readonly #claims = new Set<Promise<unknown>>()
  readonly #confirmTimer: NodeJS.Timeout
  #claiming = false
  /** Slots that claims under way may fill. */
  #reserved = 0
  #wake = () => {}
  /** Whether Redis may have given this process tasks that it has not heard of. */
  #inDoubt = false
  #confirming = false
  #heardAt = Number.NEGATIVE_INFINITY
  #inTouchSince = 0
  #recoveredAt = Number.NEGATIVE_INFINITY
  #stopped = false

  constructor(options: AttemptsOptions) {
    this.#options = options
    this.#confirmTimer = setInterval(() => void this.#confirm(), confirmEveryMs)
    void this.#claimLoop()
  }

  setClaiming(claiming: boolean): void {
    this.#claiming = claiming
    this.#wake()
  }

  /** Tells a task to stop, if it runs here. */
  cancel(taskId: string): void {
    this.#running.get(taskId)?.stop.tell('client')
  }

  /** Claims nothing more. What still runs is lost, as if this process had died. */
  async stop(): Promise<void> {
    this.#claiming = false
    this.#stopped = true
    this.#wake()
    clearInterval(this.#confirmTimer)
    // Another process is woken in place of this one.
    const passed = this.#options.queue.pass().catch(() => {})
    await within(stopWithinMs, Promise.all([passed, this.#claimsAreOver()]))
  }

  /** A claim that was under way is put back, which takes one more command. */
  async #claimsAreOver(): Promise<void> {
    while (this.#claims.size > 0) await Promise.allSettled([...this.#claims])
  }

  get #free(): number {
    const { maxRunning } = this.#options
    return this.#claiming ? Math.max(0, maxRunning - this.#running.size - this.#reserved) : 0
  }

  /** Claims whenever there are free slots and work for them. */
  async #claimLoop(): Promise<void> {
    const { records, queue, owner } = this.#options
    while (!this.#stopped) {
      const count = this.#free
      if (count === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        continue
      }
      try {
        const { claims } = await this.#claim(count, async () => ({
          claims: await records.claim(owner, count)
        }))
        if (claims.started.length === count) continue
        const mayBe = await queue.waitForWork(Math.min(claims.nextInMs || maxWaitMs, maxWaitMs))
        if (mayBe && this.#free === 0) await queue.pass()
      } catch {
        await sleep(retryMs)
      }
    }
  }

  /** Makes a script claim tasks for slots that are reserved meanwhile, and begins them. */
  async #claim<T extends { claims: Claims }>(count: number, run: () => Promise<T>): Promise<T> {
    this.#reserved += count
    const answer = run()
      .catch((error) => {
        this.#inDoubt = true
        throw error
      })
      .finally(() => {
        this.#reserved -= count
      })
    this.#track(answer)
    const result = await answer
    for (const task of result.claims.started) this.#begin(task)
    for (const lost of result.claims.lost) this.#track(this.#judge(lost, this.#options.owner))
    return result
  }

  /** Begins what was claimed by a script whose answer got lost. */
  async #recall(): Promise<void> {
    const { records, owner, log } = this.#options
    const { started } = await records.recall(owner, [...this.#running.keys()])
    this.#inDoubt = false
    for (const task of started) {
      log.warn({ taskId: task.taskId, type: task.type }, 'a claim whose answer got lost is taken up')
      this.#begin(task)
    }
  }

  /** `stop` waits for it. */
  #track(promise: Promise<unknown>): void {
    this.#claims.add(promise)
    const done = () => this.#claims.delete(promise)
    promise.then(done, done)
  }

  #begin(task: Started): void {
    const earlier = this.#running.get(task.taskId)
    // Its answer came after all.
    if (earlier?.task.attempt === task.attempt) return
    if (earlier) {
      // This process was away, lost the task, and has been given it again before it knew.
      earlier.stop.tell('lost')
      void earlier.ended.then(() => this.#begin(task))
    } else if (this.#claiming) {
      const running: Running = {
        task,
        stop: new Stop(),
        latest: undefined,
        clockOffsetMs: task.startedAt - Date.now(),
        ended: Promise.resolve()
      }
      this.#running.set(task.taskId, running)
      running.ended = this.#options.host
        .run(this.#toClaim(running))
        .then((outcome) => this.#settle(running, outcome, performance.now()))
    } else {
      // Claiming was switched off while Redis had the claim.
      this.#track(
        this.#write(task, { status: 'pending', reason: 'shutdown', delayMs: 0 }, 0, performance.now())
      )
    }
  }

  #toClaim(running: Running): Claim {
    const { records, owner } = this.#options
    const { taskId, type, input, attempt, failures, requeues, restored, waitedMs } = running.task
    return {
      taskId,
      type,
      input,
      attempt,
      failures,
      requeues,
      restored,
      waitedMs,
      stop: running.stop,
      durable: undefined,
      progress: (value, text) => {
        const at = Date.now() + running.clockOffsetMs
        const latest = { data: JSON.stringify({ value, text }), at, unsaid: false }
        running.latest = latest
        records.progress(taskId, attempt, owner, latest.data, at).catch(() => {
          latest.unsaid = true
        })
      },
      checkpoint: async (state) => {
        const saved = await this.#persist(running, () => records.checkpoint(taskId, attempt, owner, state))
        if (!saved) throw new TaskError('ATTEMPT_LOST', attempt, taskId)
      }
    }
  }

  /** Tries again for as long as the store cannot be used: the work is done, or goes on, and must not be lost. */
  async #persist<T>(running: Running, write: () => Promise<T>): Promise<T | undefined> {
    while (this.#running.get(running.task.taskId) === running && !this.#stopped) {
      try {
        return await write()
      } catch {
        await sleep(retryMs)
      }
    }
    return undefined
  }

  async #settle(running: Running, outcome: Outcome, ended: number): Promise<void> {
    const { records, owner } = this.#options
    const { task, latest } = running
    await this.#persist(running, async () => {
      if (latest?.unsaid) await records.progress(task.taskId, task.attempt, owner, latest.data, latest.at)
      // With the slot that this task leaves.
      const count = this.#claiming ? this.#free + 1 : 0
      await this.#claim(count, async () => {
        const settled = await this.#write(task, outcome, count, ended)
        this.#running.delete(task.taskId)
        return settled
      })
    })
    this.#wake()
  }

  /** Writes what becomes of an attempt of this process, which ended then by the monotonic clock, and tells the host. */
  async #write(task: Started, outcome: Outcome, claim: number, ended: number): Promise<Settled> {
    const { records, owner, host, log } = this.#options
    const { taskId, type, attempt, startedAt } = task
    const settled = await records.settle(task, owner, claim, outcome, performance.now() - ended)
    const written = [outcome, afterCancel(outcome)]
    if (settled.status !== 'refused') {
      const recorded = written.find(({ status }) => status === settled.status) ?? outcome
      host.settled({ taskId, type, attempt, startedAt, endedAt: settled.endedAt }, recorded)
      return settled
    }
    const { now } = settled
    const recorded = now.attempt === attempt && written.find(({ status }) => status === now.status)
    if (recorded) {
      // Written already: an answer got lost, its effect did not.
      host.settled({ taskId, type, attempt, startedAt, endedAt: Date.now() }, recorded)
    } else {
      log.warn({ taskId, type, attempt }, 'an attempt was given up meanwhile, its outcome is not recorded')
      host.dropped(taskId, attempt)
    }
    return settled
  }

  /** Says what becomes of a task whose owner is lost; `owner` is who has its job now, if anybody has. */
  async #judge(lost: Attempt, owner: string): Promise<void> {
    const { records, host, log } = this.#options
    const { taskId, type, attempt } = lost
    const outcome = host.lost(lost)
    try {
      const settled = await records.settle(lost, owner, 0, outcome, 0)
      if (settled.status === 'refused') return
      log.warn({ taskId, type, attempt }, 'the process that ran a task is lost')
      const { startedAt, endedAt } = settled
      host.settled(
        { taskId, type, attempt, startedAt, endedAt },
        settled.status === outcome.status ? outcome : afterCancel(outcome)
      )
    } catch {
      // Its job is found again, by whoever claims it or when its lock has run out.
    }
  }

  /** Renews what this process holds, hears what it has lost or shall stop, and looks for what others have lost. */
  async #confirm(): Promise<void> {
    if (this.#confirming) return
    this.#confirming = true
    const { connection, records, queue, owner } = this.#options
    const tasks = [...this.#running.values()].map(({ task }) => task)
    try {
      if (connection.troubled) await connection.probe()
      if (this.#inDoubt) await this.#recall()
      for (const { taskId, attempt, cause } of await records.confirm(owner, tasks)) {
        const running = this.#running.get(taskId)
        if (running?.task.attempt === attempt) running.stop.tell(cause)
      }
      this.#noteContact()
      if (tasks.length > 0) await queue.renew(tasks.map(({ taskId }) => taskId))
      if (this.#mayRecover()) await this.#recover()
    } catch {
      // The connection says what is wrong; the next time comes soon.
    } finally {
      this.#confirming = false
    }
  }

  #noteContact(): void {
    const now = performance.now()
    if (now - this.#heardAt > silenceMs) this.#inTouchSince = now
    this.#heardAt = now
  }

  /** Not soon after this process, or Redis, was away: the others take their locks again first. */
  #mayRecover(): boolean {
    const now = performance.now()
    if (now - this.#inTouchSince < lockMs || now - this.#recoveredAt < stalledCheckMs) return false
    this.#recoveredAt = now
    return true
  }

  async #recover(): Promise<void> {
    const { records, queue } = this.#options
    for (const taskId of await queue.recoverStalled()) {
      const lost = await records.findLost(taskId)
      if (lost) await this.#judge(lost, '')
    }
  }
}
