import { randomUUID } from 'node:crypto'
import type { PendingCounts, ShutdownReport, Submission, TaskSearch } from '../engine.ts'
import { type StoredAttempt, type StoredTask, toRecord, toSummary } from '../stored.ts'
import type { TaskStatus, TaskSummary, UnparsedRecord } from '../task.ts'
import type { Connection } from './connection.ts'
import { asList, type Reply } from './replies.ts'
import { queueName } from './scripts/shared.ts'
import { submitted } from './scripts/submit.ts'

export type Cancelled =
  | { was: 'unknown' }
  | { was: 'finished'; status: string }
  | { was: 'running' | 'cancelling'; record: UnparsedRecord }
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

  /**
   * Resolves with an id for each task: its own, or that of the existing task that takes its place. If the queue is full, with the
   * number of pending tasks; if a key was used for a different body, with the index of its task.
   */
  async submit(
    tasks: readonly { taskId: string; task: Submission }[],
    maxPending: number
  ): Promise<{ taskIds: string[] } | { pending: number } | { reused: number }> {
    const args = tasks.flatMap(({ taskId, task }) => toFields(taskId, task))
    // A batch of a thousand is one script.
    const withinMs = 2 * this.#connection.requestMs
    const [answer, detail] = asList(await this.#connection.run('submit', [maxPending, ...args], withinMs))
    if (answer === 'full') return { pending: Number(detail) }
    return answer === 'reused' ? { reused: Number(detail) } : { taskIds: asList(detail).map(String) }
  }

  /** Says how many tasks of a type may run at once, for all processes. */
  async setLimits(limits: ReadonlyMap<string, number>): Promise<void> {
    const key = `${this.#key}:limits`
    await this.#connection.use((client) => {
      const change = client.multi().del(key)
      if (limits.size > 0) change.hset(key, Object.fromEntries(limits))
      return change.exec()
    })
  }

  async findByKey(key: string): Promise<{ taskId: string; fingerprint: string } | undefined> {
    const use = await this.#connection.use((client) => client.get(`${this.#key}:key:${key}`))
    return use === null ? undefined : parseUse(use)
  }

  /** `answered` gets the answer even if it comes too late for the caller. */
  async cancel(taskId: string, answered: (cancelled: Cancelled) => void): Promise<Cancelled> {
    const args = [taskId, randomUUID()]
    const { requestMs } = this.#connection
    const late = (reply: unknown) => answered(toCancelled(reply))
    return toCancelled(await this.#connection.run('cancel', args, requestMs, late))
  }

  /** The status that the task had; it is gone if that was a final one. */
  async remove(taskId: string): Promise<TaskStatus | undefined> {
    // Only ever written by our scripts.
    return ((await this.#connection.run('remove', [taskId, randomUUID()])) as TaskStatus | null) ?? undefined
  }

  /** Deletes up to `limit` tasks that failed, or ended otherwise, at least `retentionMs` ago; resolves with how many. */
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

  /** What a search finds, newest first, and the place to go on before; 0 if that is all. */
  async search(
    { statuses, type = '', labels, createdBefore, createdAfter, except }: TaskSearch,
    before: number,
    limit: number
  ): Promise<{ tasks: { taskId: string; seq: number }[]; next: number }> {
    const times = [createdBefore ?? '', createdAfter ?? '']
    const args = [before, limit, type, except ?? '', ...times, statuses.join(), ...labels]
    const [found, next] = asList(await this.#connection.run('search', args))
    const tasks = asList(found).map((task) => {
      const [taskId, seq] = asList(task)
      return { taskId: String(taskId), seq: Number(seq) }
    })
    return { tasks, next: Number(next) }
  }

  /** The records of tasks, without those that are gone. */
  async summaries(taskIds: readonly string[]): Promise<TaskSummary[]> {
    const found = asList(await this.#connection.run('summaries', taskIds))
    return found.flatMap((reply) => (reply === null ? [] : toSummary(toStoredTask(reply))))
  }

  async input(taskId: string): Promise<string | undefined> {
    return (await this.#connection.use((client) => client.get(`${this.#key}:input:${taskId}`))) ?? undefined
  }

  async pendingCounts(): Promise<PendingCounts> {
    const queue = `${this.#key}:${queueName}`
    const [prioritized, delayed, waiting, scheduled] = await this.#connection.use((client) =>
      Promise.all([
        client.zcard(`${queue}:prioritized`),
        client.zcard(`${queue}:delayed`),
        client.llen(`${queue}:wait`),
        client.zcard(`${this.#key}:scheduled`)
      ])
    )
    return { pending: prioritized + delayed + waiting, scheduled }
  }

  async oldestPendingMs(): Promise<number> {
    return Number(await this.#connection.run('oldestPending', []))
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

function toCancelled(reply: unknown): Cancelled {
  const [was, detail, requeued, endedAt] = asList(reply)
  if (was === 'unknown') return { was }
  if (was === 'finished') return { was, status: String(detail) }
  const record = toRecord(toStoredTask(detail), asList(requeued).map(toStoredAttempt))
  if (was === 'running' || was === 'cancelling') return { was, record }
  return { was: 'pending', record, endedAt: Number(endedAt) }
}

function toFields(taskId: string, task: Submission): (string | number)[] {
  const { labels, idempotency, retryOf } = task
  const fields: Record<(typeof submitted)[number], string | number | undefined> = {
    id: taskId,
    type: task.type,
    priority: task.priority,
    input: task.input,
    key: idempotency?.key,
    fingerprint: idempotency?.fingerprint,
    labels: labels && JSON.stringify(labels),
    runAt: task.runAt,
    requestId: task.requestId,
    traceparent: task.traceparent,
    retryOf: retryOf?.taskId,
    once: retryOf?.once ? 1 : undefined
  }
  return submitted.map((name) => fields[name] ?? '')
}

function toStoredTask(reply: unknown): StoredTask {
  const fields = asList(reply)
  const [id, type, status, progress, attempt, priority, created, started, ended, final, ...more] = fields
  const [labels, runAt, requestId, retryOf, retriedAs] = more.map((field) => field ?? null)
  return {
    task_id: String(id),
    type: String(type),
    status: status as TaskStatus, // only ever written by our scripts
    progress: String(progress ?? ''),
    attempt: Number(attempt),
    priority: Number(priority),
    labels: textOf(labels),
    created_at: Number(created),
    run_at: runAt == null ? null : Number(runAt),
    started_at: started == null ? null : Number(started),
    ended_at: ended == null ? null : Number(ended),
    request_id: textOf(requestId),
    retry_of: textOf(retryOf),
    retried_as: textOf(retriedAs),
    final_data: final == null ? null : String(final)
  }
}

const textOf = (field: Reply | undefined) => (field == null ? null : String(field))

function toStoredAttempt(reply: Reply): StoredAttempt {
  const [, attempt, started, ended, data = ''] = /^(\d+) (\d+) (\d+) (.*)$/s.exec(String(reply)) ?? []
  return { attempt: Number(attempt), started_at: Number(started), ended_at: Number(ended), data }
}

/** A key's value: the task that it was used for and the fingerprint of the request, which has no space in it. */
function parseUse(use: string): { taskId: string; fingerprint: string } {
  const [taskId = '', fingerprint = ''] = use.split(' ')
  return { taskId, fingerprint }
}
