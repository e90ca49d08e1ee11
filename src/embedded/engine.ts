import type {
  Claim,
  Engine,
  EngineHost,
  Events,
  Outcome,
  PendingCounts,
  ShutdownReport,
  Submission,
  Submitted,
  TaskSearch
} from '../engine.ts'
import { TaskError } from '../errors.ts'
import type { Log } from '../log.ts'
import { Stop } from '../stop.ts'
import type { TaskPage, TaskQuery, UnparsedRecord } from '../task.ts'
import { checkDatabase } from './database.ts'
import { Feeds } from './feeds.ts'
import type { ClaimData, Notice } from './messages.ts'
import type { StoreOptions } from './store-service.ts'
import { ThreadClient } from './thread-client.ts'

export type EmbeddedOptions = Omit<StoreOptions, 'limits'> & { log: Log }

interface Attempt {
  taskId: string
  attempt: number
  stop: Stop<'client' | 'lost'>
  outcome: Outcome | undefined
  whenDurable: () => void
}

/** One SQLite file that only this process uses, in a thread of its own. */
export class EmbeddedEngine implements Engine {
  readonly shared = false
  readonly #options: EmbeddedOptions
  readonly #feeds = new Feeds()
  readonly #attempts = new Map<number, Attempt>()
  #open: { client: ThreadClient; host: EngineHost } | undefined
  #claiming = false

  constructor(options: EmbeddedOptions) {
    this.#options = options
  }

  async start(host: EngineHost): Promise<void> {
    const { log, ...options } = this.#options
    checkDatabase(options.path)
    const client = new ThreadClient({ ...options, limits: host.limits ?? new Map() }, log, {
      notice: (notice) => this.#receive(notice, host),
      died: () => this.#loseAttempts(host)
    })
    try {
      const interrupted = await client.call('interrupted')
      this.#open = { client, host }
      await client.call(
        'recover',
        interrupted.map((task) => host.resolveLost(task))
      )
    } catch (error) {
      this.#open = undefined
      await client.terminate()
      throw error
    }
  }

  async submit(tasks: readonly Submission[]): Promise<Submitted[]> {
    return this.#client().call('submit', tasks)
  }

  async findByKey(key: string): Promise<{ taskId: string; fingerprint: string } | undefined> {
    return this.#client().call('findByKey', key)
  }

  async get(taskId: string): Promise<UnparsedRecord | undefined> {
    return this.#client().call('get', taskId)
  }

  async input(taskId: string): Promise<string | undefined> {
    return this.#client().call('input', taskId)
  }

  async list(query: TaskQuery): Promise<TaskPage> {
    return this.#client().call('list', query)
  }

  async search(search: TaskSearch, limit: number, from?: string) {
    return this.#client().call('search', search, limit, from)
  }

  async cancel(taskId: string): Promise<UnparsedRecord> {
    return this.#client().call('cancel', taskId)
  }

  async cancelMany(taskIds: readonly string[]): Promise<number> {
    return this.#client().call('cancelMany', taskIds)
  }

  async cancelPending(): Promise<void> {
    await this.#requeueLateClaims()
    return this.#client().call('cancelPending')
  }

  async remove(taskId: string): Promise<void> {
    return this.#client().call('remove', taskId)
  }

  async removeMany(taskIds: readonly string[]): Promise<number> {
    return this.#client().call('removeMany', taskIds)
  }

  async follow(taskId: string, after: string | undefined, signal: AbortSignal): Promise<Events | 'ended'> {
    const client = this.#client()
    const position = await client.call('position', taskId)
    if (!position) throw new TaskError('TASK_NOT_FOUND', taskId)
    const { isFinished, lastEvent } = position
    const id = after !== undefined && /^\d{1,15}$/.test(after) ? Number(after) : 0
    if (isFinished && id === lastEvent) return 'ended'
    return this.#feeds.follow(taskId, id <= lastEvent ? id : 0, signal, {
      read: (last, limit) => this.#client().call('events', taskId, last, limit),
      setFollowed: (feed) => client.post('setFollowed', taskId, feed)
    })
  }

  async ended(taskId: string, signal: AbortSignal): Promise<void> {
    const position = await this.#client().call('position', taskId)
    if (!position) return
    // From its latest event on: those before do not matter here.
    const events = await this.follow(taskId, String(position.lastEvent), signal)
    if (events !== 'ended') for await (const _ of events);
  }

  async setWatching(watching: boolean): Promise<void> {
    if (watching) return this.#client().call('setWatching', true)
    // Nobody waits for an answer; a thread that does not answer now does it later.
    this.#open?.client.post('setWatching', false)
  }

  setClaiming(claiming: boolean): void {
    this.#claiming = claiming
    this.#open?.client.post('setClaiming', claiming)
  }

  async pendingCounts(): Promise<PendingCounts> {
    return this.#client().call('pendingCounts')
  }

  async oldestPendingMs(): Promise<number> {
    return this.#client().call('oldestPendingMs')
  }

  async check(): Promise<void> {
    return this.#client().call('check')
  }

  async recordShutdown(report: ShutdownReport): Promise<void> {
    return this.#client().call('recordShutdown', report)
  }

  async takeShutdownReport(): Promise<ShutdownReport | undefined> {
    return this.#client().call('takeShutdownReport')
  }

  async stop(): Promise<void> {
    if (!this.#open) return
    const { client } = this.#open
    this.setClaiming(false)
    await this.#requeueLateClaims().catch(() => {})
    this.#open = undefined
    await client.call('stop').catch(() => {})
    await client.terminate()
  }

  #client(): ThreadClient {
    if (!this.#open) throw new TaskError('STORE_UNAVAILABLE', 'it is not open')
    return this.#open.client
  }

  /** Resolves once every claim that the thread made before `setClaiming(false)` reached it has arrived here and was requeued. */
  async #requeueLateClaims(): Promise<void> {
    await this.#client().call('pendingCounts')
  }

  #receive(notice: Notice, host: EngineHost): void {
    switch (notice[0]) {
      case 'claim':
        this.#run(notice[1], notice[2], host)
        break
      case 'durable':
        this.#attempts.get(notice[1])?.whenDurable()
        break
      case 'stop':
        this.#attempts.get(notice[1])?.stop.trigger('client')
        break
      case 'released':
        host.slotReleased(notice[1])
        break
      case 'ended': {
        const [, number = 0, ended, outcome = this.#attempts.get(number)?.outcome] = notice
        this.#attempts.delete(number)
        if (outcome) host.attemptEnded(ended, outcome)
        break
      }
      case 'committed':
        host.committed(notice[1])
        break
      case 'changed':
        host.changed(notice[1])
        break
      case 'event':
        this.#feeds.publish(notice[1], notice[2], notice[3])
        break
      case 'removed':
        this.#feeds.remove(notice[1])
        break
      case 'log':
        this.#options.log[notice[1]](notice[2], notice[3])
        break
    }
  }

  #run(number: number, data: ClaimData, host: EngineHost): void {
    const { client } = this.#open ?? {}
    if (!client) return
    if (!this.#claiming) {
      const outcome: Outcome = { status: 'pending', reason: 'shutdown', delayMs: 0 }
      client.post('finish', number, outcome, Date.now())
      return
    }
    const stop = new Stop<'client' | 'lost'>()
    let whenDurable = () => {}
    const durable = new Promise<void>((resolve) => (whenDurable = resolve))
    const { taskId, attempt } = data
    const running: Attempt = { taskId, attempt, stop, whenDurable, outcome: undefined }
    this.#attempts.set(number, running)
    const claim: Claim = {
      ...data,
      durable,
      stop,
      progress: (value, text, at) => client.insist('progress', number, JSON.stringify({ value, text }), at),
      checkpoint: (state) => client.insist('saveCheckpoint', number, state)
    }
    void host.run(claim).then((outcome) => {
      running.outcome = outcome
      client.post('finish', number, outcome, Date.now())
    })
  }

  /** Nothing that they do can be recorded any more; the next process resolves what becomes of them. */
  #loseAttempts(host: EngineHost): void {
    for (const { taskId, attempt, stop } of this.#attempts.values()) {
      stop.trigger('lost')
      host.attemptLost(taskId, attempt)
    }
    this.#attempts.clear()
  }
}
