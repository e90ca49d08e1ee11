import type { Outcome } from '../engine.ts'
import { afterCancel, outcomeEvent } from '../outcome.ts'
import type { Labels } from '../task.ts'
import type { BlockingConnection } from './blocking-connection.ts'
import type { Connection } from './connection.ts'
import { asList, type Reply } from './replies.ts'
import { queueName } from './scripts/shared.ts'

/** A task that this process has claimed and has to run. */
export interface ClaimedTask {
  taskId: string
  type: string
  failures: number
  requeues: number
  /** JSON text. */
  input: string
  restored: string | undefined
  labels: Labels | undefined
  requestId: string | undefined
  traceparent: string | undefined
}

/** An attempt whose process is lost, so that somebody has to resolve its outcome. */
export interface LostAttempt {
  taskId: string
  type: string
  attempt: number
  requeues: number
}

export interface Claims {
  claimed: ClaimedTask[]
  lost: LostAttempt[]
  /** Whether this process already has all the tasks that it has slots for, of some of which it may not know. */
  full: boolean
  /** When the next delayed task is due; 0 if there is none, or there may be more to claim now. */
  nextInMs: number
}

export interface BegunAttempt {
  attempt: number
  startedAt: number
  waitedMs: number
}

/** The latest progress of an attempt; `data` is JSON text. Reports count from 1. */
export interface ProgressReport {
  number: number
  data: string
  /** By Redis's clock, in epoch milliseconds. */
  at: number
}

/** What was recorded of an attempt; `refused` if it was over already, perhaps because of the same command. */
export type Finished = { claims: Claims; endedAt: number } & (
  | { status: Outcome['status']; startedAt: number }
  | { status: 'refused'; recorded: string | undefined }
)

export interface Renewal {
  /** Why Redis can be read but not written. */
  problem: string | undefined
  stops: { taskId: string; attempt: number; cause: 'client' | 'lost' }[]
  /** What this process has claimed without knowing it, because an answer was lost. */
  unknown: ClaimedTask[]
}

/** How many tasks to claim at once, and how many this process can have in all. */
export interface ClaimRequest {
  count: number
  capacity: number
}

// The work is done, or goes on, and must not be lost: a slow answer is waited for longer than a request's.
const workMs = 5_000
const renewMs = 1_000
const bullmqEvents = 100
/** How long a command may wait for work; a wake-up that was lost with a connection costs no more than that. */
export const maxWaitMs = 2_000

/** What a worker does with the jobs of the queue, one method a script. Each may be done twice. */
export class Jobs {
  readonly #connection: Connection
  readonly #owner: string
  readonly #waiter: BlockingConnection
  readonly #marker: string
  readonly #meta: string
  /** Where the next look for tasks without a job begins. */
  #repairFrom = ['', '0']

  /** `key` is the prefix of all keys, `owner` the token of this process's leases. */
  constructor(connection: Connection, key: string, owner: string) {
    this.#connection = connection
    this.#owner = owner
    this.#waiter = connection.blocking(maxWaitMs)
    this.#marker = `${key}:${queueName}:marker`
    this.#meta = `${key}:${queueName}:meta`
  }

  /** Tells BullMQ's scripts, by its own setting, how much to keep of its own events, which nobody reads. */
  async prepare(): Promise<void> {
    await this.#connection.use((client) => client.hset(this.#meta, 'opts.maxLenEvents', bullmqEvents))
  }

  async claim({ count, capacity }: ClaimRequest): Promise<Claims> {
    return toClaims(await this.#run('claim', [count, capacity]))
  }

  /** Starts the attempts of claimed tasks; without those that are not this process's any more. */
  async begin(taskIds: readonly string[]): Promise<Map<string, BegunAttempt>> {
    const begun = new Map<string, BegunAttempt>()
    for (const reply of asList(await this.#run('begin', taskIds))) {
      const [taskId, attempt, startedAt, waitedMs] = asList(reply)
      if (Number(attempt) === 0) continue
      const numbers = { attempt: Number(attempt), startedAt: Number(startedAt), waitedMs: Number(waitedMs) }
      begun.set(String(taskId), numbers)
    }
    return begun
  }

  /** Gives back what was claimed and has not begun. */
  async release(taskIds: readonly string[]): Promise<void> {
    await this.#run('release', taskIds)
  }

  /**
   * Ends an attempt of this process, which was over `agoMs` ago, with its last report if that may be missing, and claims in the
   * same script. The status that is answered is the outcome's, or that of `afterCancel`.
   */
  async finish(
    { taskId, attempt }: { taskId: string; attempt: number },
    outcome: Outcome,
    { agoMs, report, claim }: { agoMs: number; report: ProgressReport | undefined; claim: ClaimRequest }
  ): Promise<Finished> {
    return this.#finish(taskId, attempt, this.#owner, outcome, agoMs, report, claim)
  }

  /** Ends an attempt whose process is lost. Its job was claimed by this process, or BullMQ has made it wait again. */
  async finishLost(lost: LostAttempt, outcome: Outcome, claimed: boolean): Promise<Finished> {
    const owner = claimed ? this.#owner : ''
    return this.#finish(lost.taskId, lost.attempt, owner, outcome, 0, undefined, { count: 0, capacity: 0 })
  }

  /** Whether the attempt was still this process's. */
  async progress(taskId: string, attempt: number, { number, data, at }: ProgressReport): Promise<boolean> {
    return (await this.#connection.run('progress', [taskId, attempt, this.#owner, number, data, at])) === 1
  }

  /** Whether the attempt was still this process's. */
  async checkpoint(taskId: string, attempt: number, state: string): Promise<boolean> {
    return (await this.#connection.run('checkpoint', [taskId, attempt, this.#owner, state], workMs)) === 1
  }

  /** Extends the leases of all that this process has claimed; it names what it knows of, with attempt 0 before that began. */
  async renew(known: readonly { taskId: string; attempt: number }[]): Promise<Renewal> {
    const args = known.flatMap(({ taskId, attempt }) => [taskId, attempt])
    const reply = asList(await this.#connection.run('renew', [this.#owner, ...args], renewMs))
    const [problem, stops, unknown] = reply
    return {
      problem: problem === null ? undefined : String(problem),
      stops: asList(stops).map((stop) => {
        const [taskId, attempt, cause] = asList(stop)
        return {
          taskId: String(taskId),
          attempt: Number(attempt),
          cause: cause === 'client' ? 'client' : 'lost'
        }
      }),
      unknown: asList(unknown).map((fields) => toClaimedTask(asList(fields)))
    }
  }

  /** Lets due tasks join the queue, and requeues the jobs whose leases have run out; resolves with the attempts among them that had begun. */
  async recover(): Promise<LostAttempt[]> {
    return asList(await this.#connection.run('recover', [])).map((fields) => toLostAttempt(asList(fields)))
  }

  /** Gives tasks their jobs back that were removed from the queue from outside; answers as `recover` does. */
  async repair(): Promise<LostAttempt[]> {
    const [lost, ...next] = asList(await this.#connection.run('repair', this.#repairFrom))
    this.#repairFrom = next.map(String)
    return asList(lost).map((fields) => toLostAttempt(asList(fields)))
  }

  /** Resolves when there may be work, or when the time is over. A caller that gets `true` and claims nothing has to wake another process. */
  async waitForWork(ms: number): Promise<boolean> {
    const blockMs = Math.min(maxWaitMs, Math.max(1, ms))
    const command = this.#waiter.run(blockMs, (client) => client.bzpopmin(this.#marker, blockMs / 1000))
    return (await command) !== null
  }

  /** Wakes another process in place of this one. */
  async wakeAnother(): Promise<void> {
    await this.#connection.use((client) => client.zadd(this.#marker, 0, '0'))
  }

  close(): void {
    this.#waiter.close()
  }

  async #finish(
    taskId: string,
    attempt: number,
    owner: string,
    outcome: Outcome,
    agoMs: number,
    report: ProgressReport | undefined,
    { count, capacity }: ClaimRequest
  ): Promise<Finished> {
    const { status: to } = outcome
    const requeue = to === 'pending' ? [outcome.reason, Math.round(outcome.delayMs)] : ['', 0]
    const cancelled = outcomeEvent(afterCancel(outcome))[1]
    const args = [
      taskId,
      attempt,
      owner,
      count,
      capacity,
      Math.round(agoMs),
      to,
      ...outcomeEvent(outcome),
      cancelled
    ]
    const last = [report?.number ?? 0, report?.data ?? '']
    const reply = await this.#connection.run('finish', [...args, ...requeue, ...last], workMs)
    const [status, first, endedAt, claims] = asList(reply)
    const rest = { endedAt: Number(endedAt), claims: toClaims(claims) }
    if (status === 'refused') return { status, recorded: first === null ? undefined : String(first), ...rest }
    // The status that was passed in, or `cancelled`.
    return { status: status as Outcome['status'], startedAt: Number(first), ...rest }
  }

  #run(script: 'claim' | 'begin' | 'release', args: readonly (string | number)[]): Promise<unknown> {
    return this.#connection.run(script, [this.#owner, ...args], workMs)
  }
}

function toClaims(reply: unknown): Claims {
  const [taken = [], full, nextInMs] = asList(reply)
  const claims: Claims = { claimed: [], lost: [], full: full === 1, nextInMs: Number(nextInMs) }
  for (const reply of asList(taken)) {
    const fields = asList(reply)
    if (fields[0] === 'lost') claims.lost.push(toLostAttempt(fields))
    else claims.claimed.push(toClaimedTask(fields))
  }
  return claims
}

function toClaimedTask([, taskId, type, failures, requeues, input, ...more]: Reply[]): ClaimedTask {
  const [restored, labels, requestId, traceparent] = more.map((field) =>
    typeof field === 'string' ? field : undefined
  )
  return {
    taskId: String(taskId),
    type: String(type),
    failures: Number(failures),
    requeues: Number(requeues),
    input: String(input ?? 'null'),
    restored,
    labels: labels === undefined ? undefined : JSON.parse(labels),
    requestId,
    traceparent
  }
}

function toLostAttempt([, taskId, type, attempt, requeues]: Reply[]): LostAttempt {
  return { taskId: String(taskId), type: String(type), attempt: Number(attempt), requeues: Number(requeues) }
}
