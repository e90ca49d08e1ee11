import { randomUUID } from 'node:crypto'
import type { ShutdownReport, Submission } from '../engine.ts'
import { type StoredAttempt, type StoredTask, toRecord, toSummary } from '../stored.ts'
import type { TaskStatus, TaskSummary, UnparsedRecord } from '../task.ts'
import type { Connection } from './connection.ts'
import { asList, type Reply } from './replies.ts'
import { queueName } from './scripts/shared.ts'

export type Cancelled =
  | { was: 'unknown' }
  | { was: 'finished'; status: string }
  | { was: 'running'; record: UnparsedRecord }
  | { was: 'pending'; record: UnparsedRecord; endedAt: number }

/** What requests do with the tasks that are kept in Redis, one method a script. */
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
    const [answer, detail] = asList(await this.#connection.run('accept', args))
    if (answer === 'full') return { pending: Number(detail) }
    return answer === 'used' ? parseUse(String(detail)) : 'accepted'
  }

  async findByKey(key: string): Promise<{ taskId: string; fingerprint: string } | undefined> {
    const use = await this.#connection.use((client) => client.get(`${this.#key}:key:${key}`))
    return use === null ? undefined : parseUse(use)
  }

  async cancel(taskId: string): Promise<Cancelled> {
    const reply = await this.#connection.run('cancel', [taskId, randomUUID()])
    const [was, detail, requeued, endedAt] = asList(reply)
    if (was === 'unknown') return { was }
    if (was === 'finished') return { was, status: String(detail) }
    const record = toRecord(toStoredTask(detail), asList(requeued).map(toStoredAttempt))
    return was === 'running' ? { was, record } : { was: 'pending', record, endedAt: Number(endedAt) }
  }

  /** The status that the task had; it is gone if that was a final one. */
  async remove(taskId: string): Promise<TaskStatus | undefined> {
    // Only ever written by our scripts.
    return ((await this.#connection.run('remove', [taskId, randomUUID()])) as TaskStatus | null) ?? undefined
  }

  /** Deletes at most `limit` tasks that failed, or ended otherwise, so long ago; how many it were. */
  async sweep(which: 'failed' | 'ended', retentionMs: number, limit: number): Promise<number> {
    return Number(await this.#connection.run('sweep', [which, retentionMs, limit]))
  }

  async get(taskId: string): Promise<UnparsedRecord | undefined> {
    const [found, requeued] = asList(await this.#connection.run('get', [taskId]))
    if (found === null) return undefined
    return toRecord(toStoredTask(found), asList(requeued).map(toStoredAttempt))
  }

  /** Newest first, those accepted before `before`, each with its place in the order of acceptance. */
  async page(
    { status = '', type = '' }: { status?: TaskStatus | ''; type?: string },
    before: number,
    limit: number
  ): Promise<{ seq: number; record: TaskSummary }[]> {
    return asList(await this.#connection.run('list', [status, type, before, limit])).map((entry) => {
      const [seq, record] = asList(entry)
      return { seq: Number(seq), record: toSummary(toStoredTask(record)) }
    })
  }

  async countPending(): Promise<number> {
    const queue = `${this.#key}:${queueName}`
    const counts = await this.#connection.use((client) =>
      Promise.all([
        client.zcard(`${queue}:prioritized`),
        client.zcard(`${queue}:delayed`),
        client.llen(`${queue}:wait`)
      ])
    )
    return counts.reduce((sum, count) => sum + count)
  }

  /** Writes something: reading may work when that does not. */
  async probe(): Promise<void> {
    await this.#connection.use((client) => client.set(`${this.#key}:probe`, Date.now(), 'EX', 60))
  }

  async addShutdown(report: ShutdownReport): Promise<void> {
    await this.#connection.run('addShutdown', [randomUUID(), JSON.stringify(report)])
  }

  async takeShutdown(): Promise<ShutdownReport | undefined> {
    const text = await this.#connection.run('takeShutdown', [randomUUID()])
    return text === null ? undefined : JSON.parse(String(text))
  }
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
