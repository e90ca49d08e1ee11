import type { EngineHost, TaskChange } from '../engine.ts'
import { TaskError } from '../errors.ts'
import { type Client, connectForSubscribing, disconnect } from './clients.ts'
import { type Connection, inTime } from './connection.ts'

/** How long the scripts of all processes publish changes for a process that does not renew its watch. */
const watchedMs = 15_000
const renewEveryMs = 4_000

/** What happens to all tasks, published by the scripts of every process while one of them listens. */
export class Changes {
  readonly #connection: Connection
  readonly #url: string
  readonly #key: string
  readonly #host: EngineHost
  #subscriber: Client | undefined
  #timer: NodeJS.Timeout | undefined

  /** `key` is the prefix of all keys. */
  constructor(connection: Connection, url: string, key: string, host: EngineHost) {
    this.#connection = connection
    this.#url = url
    this.#key = key
    this.#host = host
  }

  /** Resolves when nothing is missed any more. @throws STORE_UNAVAILABLE */
  async listen(): Promise<void> {
    const subscriber = connectForSubscribing(this.#url)
    this.#subscriber = subscriber
    subscriber.on('message', (_channel: string, message: string) => this.#host.changed(parse(message)))
    // The connection for commands says it for all.
    subscriber.on('error', () => {})
    const listening = new Promise<void>((resolve) => {
      subscriber.on('ready', () => void this.#subscribe(subscriber).then(resolve, () => {}))
    })
    this.#timer = setInterval(() => void this.#renewWatch(subscriber).catch(() => {}), renewEveryMs).unref()
    try {
      await inTime(2 * this.#connection.requestMs, listening)
    } catch (error) {
      throw new TaskError('STORE_UNAVAILABLE', error instanceof Error ? error.message : error)
    }
    // Redis keeps nothing for those who are not there.
    subscriber.on('close', () => this.#host.changesMissed())
  }

  close(): void {
    clearInterval(this.#timer)
    if (!this.#subscriber) return
    this.#subscriber.removeAllListeners('close')
    disconnect(this.#subscriber)
    this.#subscriber = undefined
  }

  async #subscribe(subscriber: Client): Promise<void> {
    await subscriber.subscribe(`${this.#key}:changes`)
    await this.#renewWatch(subscriber)
  }

  /** Makes the scripts go on publishing, and the connection notice if its other end is gone. */
  async #renewWatch(subscriber: Client): Promise<void> {
    await Promise.all([
      this.#connection.use((client) => client.set(`${this.#key}:watched`, 1, 'PX', watchedMs)),
      subscriber.ping()
    ])
  }
}

function parse(message: string): TaskChange {
  const [taskId = '', taskType = '', type, at, labels, ...rest] = message.split('\n')
  const data = rest.join('\n')
  return {
    taskId,
    taskType,
    type: type as TaskChange['type'], // only ever published by our scripts
    at: Number(at),
    labels: labels ? JSON.parse(labels) : undefined,
    // Redis's Lua cannot write a time as text.
    data: type === 'task_accepted' ? data.replace(/"runAt":(\d+)/, (_, ms) => `"runAt":"${iso(ms)}"`) : data
  }
}

const iso = (ms: string) => new Date(Number(ms)).toISOString()
