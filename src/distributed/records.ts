import type { Outcome, ShutdownReport, Submission } from '../engine.ts'
import { afterCancel, outcomeEvent } from '../outcome.ts'
import { type StoredAttempt, type StoredTask, toRecord, toSummary } from '../stored.ts'
import type { TaskStatus, TaskSummary, UnparsedRecord } from '../task.ts'
import type { Connection } from './connection.ts'
import { queueName } from './scripts.ts'

export interface Attempt {
  taskId: string
  type: string
  attempt: number
  requeues: number
}

/** An attempt that this owner has to run. */
export interface Started extends Attempt {
  failures: number
  startedAt: number
  waitedMs: number
  /** JSON text. */
  input: string
  restored: string | undefined
}

/** `nextInMs` is when the next delayed task is due; 0 if there is none, or there may be more to claim now. */
export interface Claims {
  started: Started[]
  /** Attempts whose owners are lost, so that somebody has to say what becomes of their tasks. */
  lost: Attempt[]
  nextInMs: number
}

/** What was written of an attempt; `refused` if that was over already, with what its task is now. */
export type Settled = { claims: Claims } & (
  | { status: Outcome['status']; startedAt: number; endedAt: number }
  | { status: 'refused'; now: { status: string; attempt: number } }
)

export type Cancelled =
  | { was: 'unknown' }
  | { was: 'finished'; status: string }
  | { was: 'running'; record: UnparsedRecord }
  | { was: 'pending'; record: UnparsedRecord; endedAt: number }

/** What a script answers: text, numbers, null, and lists of them. */
type Reply = string | number | null | Reply[]

// Enough for some weeks of rollouts; a report that nobody takes must not stay for ever.
const keptShutdowns = 100

/** All that is kept in Redis, one method a script. Those that change something check the state and the owner in the same script. */
export class Records {
  readonly #connection: Connection
  readonly #key: string

  /** `key` is the prefix of all keys. */
  constructor(connection: Connection, key: string) {
    this.#connection = connection
    this.#key = key
  }

  /** A full queue answers how many tasks it has, a key that is used the task that it was used for. */
  async accept(
    taskId: string,
    { type, priority, input, idempotency }: Submission,
    maxPending: number
  ): Promise<'accepted' | { pending: number } | { taskId: string; fingerprint: string }> {
    const { key = '', fingerprint = '' } = idempotency ?? {}
    const args = [taskId, type, priority, input, maxPending, key, fingerprint]
    const [answer, detail] = asList(await this.#connection.run('accept', ...args))
    if (answer === 'full') return { pending: Number(detail) }
    return answer === 'used' ? parseUse(String(detail)) : 'accepted'
  }

  async findByKey(key: string): Promise<{ taskId: string; fingerprint: string } | undefined> {
    const use = await this.#connection.use((client) => client.get(`${this.#key}:key:${key}`))
    return use === null ? undefined : parseUse(use)
  }

  async claim(owner: string, count: number): Promise<Claims> {
    return toClaims(await this.#connection.run('claim', owner, count))
  }

  /** What this owner has claimed without having heard of it, because an answer got lost. */
  async recall(owner: string, known: readonly string[]): Promise<Claims> {
    return toClaims(await this.#connection.run('recall', owner, ...known))
  }

  /**
   * Ends an attempt of this owner, and claims so many tasks in the same script. An empty owner ends the attempt of a lost
   * one, whose job BullMQ has put back. It ended `agoMs` ago. The status that is answered is the outcome's, or that of `afterCancel`.
   */
  async settle(
    { taskId, attempt }: Attempt,
    owner: string,
    claim: number,
    outcome: Outcome,
    agoMs: number
  ): Promise<Settled> {
    const { status: to } = outcome
    const requeue = to === 'pending' ? [outcome.reason, Math.round(outcome.delayMs)] : ['', 0]
    const cancelled = outcomeEvent(afterCancel(outcome))[1]
    const rest = [Math.round(agoMs), to, ...outcomeEvent(outcome), cancelled, ...requeue]
    const reply = await this.#connection.run('settle', taskId, attempt, owner, claim, ...rest)
    const [status, first, second, claims] = asList(reply)
    if (status === 'refused') {
      return { status, now: { status: String(first), attempt: Number(second) }, claims: toClaims(claims) }
    }
    return {
      status: status as Outcome['status'], // the one that was passed in, or `cancelled`
      startedAt: Number(first),
      endedAt: Number(second),
      claims: toClaims(claims)
    }
  }

  /** Whether the attempt was still this owner's. */
  async progress(taskId: string, attempt: number, owner: string, data: string, at: number): Promise<boolean> {
    return (await this.#connection.run('progress', taskId, attempt, owner, data, at)) === 1
  }

  /** Whether the attempt was still this owner's. */
  async checkpoint(taskId: string, attempt: number, owner: string, state: string): Promise<boolean> {
    return (await this.#connection.run('checkpoint', taskId, attempt, owner, state)) === 1
  }

  /** Those of an owner's attempts that have to stop, and why. */
  async confirm(
    owner: string,
    attempts: readonly { taskId: string; attempt: number }[]
  ): Promise<{ taskId: string; attempt: number; cause: 'client' | 'lost' }[]> {
    const args = attempts.flatMap(({ taskId, attempt }) => [taskId, attempt])
    return asList(await this.#connection.run('confirm', owner, ...args)).map((stop) => {
      const [taskId, attempt, cause] = asList(stop)
      return {
        taskId: String(taskId),
        attempt: Number(attempt),
        cause: cause === 'client' ? 'client' : 'lost'
      }
    })
  }

  /** What a host has to know to judge a task whose job was put back; nothing if it does not run any more. */
  async findLost(taskId: string): Promise<Attempt | undefined> {
    const found = await this.#connection.run('findLost', taskId)
    if (found === null) return undefined
    const [type, attempt, requeues] = asList(found)
    return { taskId, type: String(type), attempt: Number(attempt), requeues: Number(requeues) }
  }

  async cancel(taskId: string): Promise<Cancelled> {
    const [was, detail, requeued, endedAt] = asList(await this.#connection.run('cancel', taskId))
    if (was === 'unknown') return { was }
    if (was === 'finished') return { was, status: String(detail) }
    const record = toRecord(toStoredTask(detail), asList(requeued).map(toStoredAttempt))
    return was === 'running' ? { was, record } : { was: 'pending', record, endedAt: Number(endedAt) }
  }

  /** The status that the task had; it is gone if that was a final one. */
  async remove(taskId: string): Promise<TaskStatus | undefined> {
    // Only ever written by our scripts.
    return ((await this.#connection.run('remove', taskId)) as TaskStatus | null) ?? undefined
  }

  /** Deletes at most `limit` tasks that failed, or ended otherwise, so long ago; how many it were. */
  async sweep(which: 'failed' | 'ended', retentionMs: number, limit: number): Promise<number> {
    return Number(await this.#connection.run('sweep', which, retentionMs, limit))
  }

  async get(taskId: string): Promise<UnparsedRecord | undefined> {
    const [found, requeued] = asList(await this.#connection.run('get', taskId))
    if (found === null) return undefined
    return toRecord(toStoredTask(found), asList(requeued).map(toStoredAttempt))
  }

  /** Newest first, those accepted before `before`, each with its place in the order of acceptance. */
  async page(
    { status = '', type = '' }: { status?: TaskStatus | ''; type?: string },
    before: number,
    limit: number
  ): Promise<{ seq: number; record: TaskSummary }[]> {
    return asList(await this.#connection.run('list', status, type, before, limit)).map((entry) => {
      const [seq, record] = asList(entry)
      return { seq: Number(seq), record: toSummary(toStoredTask(record)) }
    })
  }

  async countPending(): Promise<number> {
    const queue = `${this.#key}:${queueName}`
    const [prioritized, delayed] = await this.#connection.use((client) =>
      Promise.all([client.zcard(`${queue}:prioritized`), client.zcard(`${queue}:delayed`)])
    )
    return prioritized + delayed
  }

  async addShutdown(report: ShutdownReport): Promise<void> {
    const key = `${this.#key}:shutdowns`
    await this.#connection.use((client) =>
      Promise.all([client.rpush(key, JSON.stringify(report)), client.ltrim(key, -keptShutdowns, -1)])
    )
  }

  async takeShutdown(): Promise<ShutdownReport | undefined> {
    const text = await this.#connection.use((client) => client.lpop(`${this.#key}:shutdowns`))
    return text === null ? undefined : JSON.parse(text)
  }
}

function asList(reply: unknown): Reply[] {
  if (!Array.isArray(reply)) throw new Error(`a script answered ${String(reply)}`)
  return reply
}

function toClaims(reply: unknown): Claims {
  const [taken = [], nextInMs] = asList(reply)
  const claims: Claims = { started: [], lost: [], nextInMs: Number(nextInMs) }
  for (const fields of asList(taken)) {
    const [kind, taskId, type, attempt, ...rest] = asList(fields)
    const task = { taskId: String(taskId), type: String(type), attempt: Number(attempt) }
    if (kind === 'lost') {
      claims.lost.push({ ...task, requeues: Number(rest[0]) })
      continue
    }
    const [failures, requeues, startedAt, waitedMs, input, restored] = rest
    claims.started.push({
      ...task,
      failures: Number(failures),
      requeues: Number(requeues),
      startedAt: Number(startedAt),
      waitedMs: Number(waitedMs),
      input: String(input),
      restored: typeof restored === 'string' ? restored : undefined
    })
  }
  return claims
}

function toStoredTask(reply: unknown): StoredTask {
  const [id, type, status, progress, attempt, priority, created, started, ended, final] = asList(reply)
  return {
    task_id: String(id),
    type: String(type),
    status: status as TaskStatus, // only ever written by our scripts
    progress: String(progress ?? ''),
    attempt: Number(attempt),
    priority: Number(priority),
    created_at: Number(created),
    started_at: started == null ? null : Number(started),
    ended_at: ended == null ? null : Number(ended),
    final_data: final == null ? null : String(final)
  }
}

function toStoredAttempt(reply: Reply): StoredAttempt {
  const [, attempt, started, ended, data = ''] = /^(\d+) (\d+) (\d+) (.*)$/s.exec(String(reply)) ?? []
  return { attempt: Number(attempt), started_at: Number(started), ended_at: Number(ended), data }
}

/** A key's value: the task that it was used for and the fingerprint of the request, which has no space in it. */
function parseUse(use: string): { taskId: string; fingerprint: string } {
  const [taskId = '', fingerprint = ''] = use.split(' ')
  return { taskId, fingerprint }
}
