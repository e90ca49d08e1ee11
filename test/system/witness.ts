import { isDeepStrictEqual } from 'node:util'
import type { NewTask, TaskRecord } from '../../src/task.ts'
import type { Following, SeenEvent } from './event-source.ts'
import type { Client } from './retrying-client.ts'

/** A promise that was broken, and all that is known of the task. */
export interface Problem {
  problem: string
  taskId: string
  history: unknown
}

interface Accepted {
  taskId: string
  task: NewTask
  key: string
  followings: Following[]
  /** As it was first read after its end. */
  finished?: TaskRecord
}

interface Event extends SeenEvent {
  // biome-ignore lint/suspicious/noExplicitAny: what it is depends on the type of the event
  data: any
}

export interface WitnessOptions {
  /** Event ids count 1, 2, 3…; else they only grow, part by part. */
  countingIds: boolean
}

// Older progress events may be dropped beyond so many kept ones.
const keptEvents = 1000
const atOnce = 64

const finalTypes: Record<string, string> = {
  completed: 'task_completed',
  failed: 'task_failed',
  cancelled: 'task_cancelled'
}
const isFinal = (type: string) => Object.values(finalTypes).includes(type)

/**
 * Uses the service through a client and remembers what it was told, to hold it against what the service says in the
 * end. Checks the promises that every engine makes; knows HTTP and nothing of the engine.
 */
export class Witness {
  readonly client: Client
  readonly #options: WitnessOptions
  readonly #accepted = new Map<string, Accepted>()
  readonly #byKey = new Map<string, Accepted>()
  readonly #problems: Problem[] = []

  constructor(client: Client, options: WitnessOptions) {
    this.client = client
    this.#options = options
  }

  get taskIds(): string[] {
    return [...this.#accepted.keys()]
  }

  /** Starts a task, or asks again for the one that the key was used for. */
  async start(task: NewTask, key: string): Promise<string> {
    const { status, body } = await this.client.start(task, key)
    if (status !== 202) throw new Error(`POST answered ${status}: ${JSON.stringify(body)}`)
    const { taskId } = body
    const known = this.#byKey.get(key)
    if (known && known.taskId !== taskId) this.#found(known, `its key was used again and gave ${taskId}`)
    if (!known) {
      const accepted = { taskId, task, key, followings: [] }
      this.#byKey.set(key, accepted)
      this.#accepted.set(taskId, accepted)
    }
    return taskId
  }

  /** Follows a task from its first event to its end. */
  follow(taskId: string): Following {
    const following = this.client.follow(taskId)
    this.#get(taskId).followings.push(following)
    return following
  }

  /** Reads a task's record, which must not change once it was seen to be finished. */
  async read(taskId: string): Promise<TaskRecord | undefined> {
    const accepted = this.#get(taskId)
    const { status, body } = await this.client.get(taskId)
    if (status !== 200) {
      this.#found(accepted, `its record answers ${status}`)
      return undefined
    }
    const record: TaskRecord = body
    if (accepted.finished && !isDeepStrictEqual(accepted.finished, record)) {
      this.#found(accepted, 'its record changed after its end', record)
    }
    if (record.status in finalTypes) accepted.finished ??= record
    return record
  }

  async readAll(): Promise<(TaskRecord | undefined)[]> {
    const records: (TaskRecord | undefined)[] = []
    await this.#each(async ({ taskId }) => records.push(await this.read(taskId)))
    return records
  }

  /** Holds what was seen against what the service says now; nothing may be running. */
  async verify(): Promise<Problem[]> {
    await this.#each((accepted) => this.#verify(accepted))
    return this.#problems
  }

  /** A few at once: a gateway has only so many connections. */
  async #each(act: (accepted: Accepted) => Promise<unknown>): Promise<void> {
    const queue = [...this.#accepted.values()]
    const work = async () => {
      for (let next = queue.pop(); next; next = queue.pop()) await act(next)
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }

  async #verify(accepted: Accepted): Promise<void> {
    const { taskId, task, key, followings } = accepted
    const record = await this.read(taskId)
    if (!record) return
    const log = await this.#readLog(accepted, record)
    const problems = [...checkLog(log, record), ...checkIds(log, this.#options)]
    for (const following of followings) problems.push(...(await checkFollowing(following, log)))
    for (const problem of problems) this.#found(accepted, problem, record, log)

    const again = await this.client.start(task, key)
    if (again.status !== 202 || again.body.taskId !== taskId)
      this.#found(accepted, `the same request again answers ${again.status} ${JSON.stringify(again.body)}`)
    if (again.headers.get('idempotent-replayed') !== 'true')
      this.#found(accepted, 'the same request again is not marked as replayed')
  }

  /** All that is kept of a task's events. */
  async #readLog(accepted: Accepted, record: TaskRecord): Promise<Event[]> {
    const following = this.client.follow(accepted.taskId)
    if (record.status in finalTypes) {
      const how = await following.done
      if (how !== 'ended') this.#found(accepted, `its stream ${how}`, record)
    } else if (record.status === 'pending' && record.attempt > 0) {
      // It was requeued as often as it was started, and nothing has happened to it since.
      let requeues = 0
      await following.seen(({ type }) => type === 'task_requeued' && ++requeues === record.attempt)
    }
    following.stop()
    return following.events.map((event) => ({ ...event, data: JSON.parse(event.json).data }))
  }

  #get(taskId: string): Accepted {
    const accepted = this.#accepted.get(taskId)
    if (!accepted) throw new Error(`${taskId} was not started by this witness`)
    return accepted
  }

  #found(accepted: Accepted, problem: string, record?: TaskRecord, log?: Event[]): void {
    const { taskId, task, key, finished, followings } = accepted
    const seen = followings.map(({ events, connections }) => ({ connections, events: events.map(brief) }))
    this.#problems.push({
      problem,
      taskId,
      history: { task, key, firstSeenFinished: finished, record, log: log?.map(brief), seen }
    })
  }
}

const brief = ({ id, json }: SeenEvent) => `${id} ${json}`

/** A task's log by itself and beside its record. */
function checkLog(log: Event[], record: TaskRecord): string[] {
  const problems: string[] = []
  const finals = log.filter(({ type }) => isFinal(type))
  const last = log.at(-1)
  if (record.status in finalTypes) {
    if (finals.length !== 1) problems.push(`it has ${finals.length} final events`)
    else if (last && !isFinal(last.type)) problems.push(`${last.type} comes after its final event`)
    else if (last && !agree(last, record)) problems.push('its record and its final event do not agree')
  } else {
    if (record.status !== 'pending') problems.push(`it is ${record.status}, though nothing runs`)
    if (finals.length > 0) problems.push('it is pending and has a final event')
  }
  const starts = log.filter(({ type }) => type === 'task_started').map(({ data }) => data.attempt)
  if (!starts.every((attempt, index) => attempt === index + 1))
    problems.push(`its attempts are numbered ${starts}`)
  if (record.attempt !== starts.length)
    problems.push(`its record says attempt ${record.attempt}, its log ${starts.length}`)
  problems.push(...checkOrder(log))
  return problems
}

function agree({ type, data }: Event, record: TaskRecord): boolean {
  if (finalTypes[record.status] !== type) return false
  if (type === 'task_completed') return isDeepStrictEqual(data, record.result)
  if (type === 'task_failed') return isDeepStrictEqual(data, record.error)
  return data.reason === record.cancelReason
}

/** Which event may follow which, and that progress never falls within an attempt. */
function checkOrder(log: Event[]): string[] {
  const problems: string[] = []
  let running = false
  let progress = 0
  for (const { id, type, data } of log) {
    // Only a cancel ends a task that does not run.
    const needsRunning = type === 'task_started' ? false : type === 'task_cancelled' ? undefined : true
    if (needsRunning !== undefined && needsRunning !== running)
      problems.push(`event ${id}, ${type}, comes while it is ${running ? '' : 'not '}running`)
    running = type === 'task_started' || type === 'progress_update'
    if (type === 'task_started') progress = 0
    if (type !== 'progress_update') continue
    if (!(data.value >= progress && data.value <= 1))
      problems.push(`progress ${data.value} follows ${progress}`)
    progress = data.value
  }
  return problems
}

function checkIds(log: Event[], { countingIds }: WitnessOptions): string[] {
  const complete = log.length < keptEvents
  return log.flatMap(({ id }, index) => {
    const before = log[index - 1]?.id
    if (before !== undefined && !(compareIds(before, id) < 0)) return [`event ${id} comes after ${before}`]
    return countingIds && complete && id !== String(index + 1) ? [`event ${id} is number ${index + 1}`] : []
  })
}

/** Ids are numbers, or numbers joined by `-`. */
function compareIds(a: string, b: string): number {
  const [left, right] = [a.split('-').map(Number), b.split('-').map(Number)]
  for (const [index, part] of left.entries()) {
    const difference = part - (right[index] ?? Number.NaN)
    if (difference !== 0) return difference
  }
  return 0
}

/** Each event of the log once and in order, and besides those only progress that was dropped since. */
async function checkFollowing(following: Following, log: Event[]): Promise<string[]> {
  const { events, connections } = following
  const finished = isFinal(log.at(-1)?.type ?? '')
  if (!finished) following.stop()
  const how = finished ? await following.done : 'ended'
  if (how !== 'ended') return [`a stream ${how} after ${connections} connections`]
  const kept = new Map(log.map((event) => [event.id, event.json]))
  const seen = new Set<string>()
  let before: string | undefined
  for (const { id, type, json } of events) {
    if (seen.has(id)) return [`a stream saw event ${id} twice`]
    if (before !== undefined && !(compareIds(before, id) < 0))
      return [`a stream saw event ${id} after ${before}`]
    const dropped = type === 'progress_update' && log.length >= keptEvents
    if (!kept.has(id) && !dropped) return [`a stream saw event ${id}, which is not in the log`]
    if (kept.has(id) && kept.get(id) !== json)
      return [`a stream saw event ${id} as ${json}, in the log it is ${kept.get(id)}`]
    seen.add(id)
    before = id
  }
  // What a task that is still pending has in its log may be on its way.
  const missed = finished ? log.find(({ id }) => !seen.has(id)) : undefined
  return missed ? [`a stream missed event ${missed.id}, ${missed.type}`] : []
}
