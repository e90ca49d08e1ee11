import { setImmediate } from 'node:timers/promises'
import { TaskError } from '../errors.ts'
import type { Log } from '../log.ts'
import { within } from '../timers.ts'
import { type Availability, isUnsent } from './availability.ts'
import { BlockingConnection } from './blocking-connection.ts'
import { batchWrites, type Client, connectForCommands, disconnect } from './clients.ts'
import { type Script, scripts } from './scripts.ts'

// Two commands in a row still answer within the two seconds that a client may wait for a 503.
const defaultRequestMs = 750

/** The connections of one process to one Redis. Whatever fails is a TaskError STORE_UNAVAILABLE that says why. */
export class Connection {
  readonly #client: Client
  readonly #url: string
  readonly #key: string
  readonly #log: Log
  readonly #availability: Availability
  readonly #readyListeners: (() => void)[] = []
  /** When the connection was lost; undefined while there is one. */
  #lostAt: number | undefined = performance.now()
  /** The next connection, for all that wait for it. */
  #ready: Promise<void> | undefined
  #closed = false
  /** How often the text of a script was sent. */
  readonly #texts = new Map<Script, number>()
  /** How long the command of a request may take. */
  readonly requestMs: number

  /** `key` is the prefix of all keys. */
  constructor(url: string, key: string, availability: Availability, log: Log, requestMs = defaultRequestMs) {
    this.requestMs = requestMs
    this.#url = url
    this.#key = key
    this.#log = log
    this.#availability = availability
    this.#client = connectForCommands(url)
    this.#client.on('error', (error: Error) => this.#failed(error))
    this.#client.on('close', () => {
      this.#lostAt ??= performance.now()
    })
    this.#client.on('ready', () => {
      this.#lostAt = undefined
      void this.#examine()
    })
  }

  /** Called after each connect, when the server has been examined. */
  onReady(listener: () => void): void {
    this.#readyListeners.push(listener)
  }

  /** Opens another connection, for commands that block for at most `blockMs`. */
  blocking(blockMs: number): BlockingConnection {
    return new BlockingConnection(this.#url, blockMs)
  }

  /**
   * Runs a script of ours, which may be done twice if its answer is lost. `answered` gets the answer even if it comes too late
   * for the caller.
   */
  run(
    script: keyof typeof scripts,
    args: readonly (string | number)[],
    withinMs = this.requestMs,
    answered: (reply: unknown) => void = () => {}
  ): Promise<unknown> {
    return this.use((client) => {
      const answer = this.#eval(client, scripts[script], args)
      answer.then(answered, () => {})
      return answer
    }, withinMs)
  }

  /** Does something with the client, within the time that its caller may wait. */
  async use<T>(command: (client: Client) => Promise<T>, withinMs = this.requestMs): Promise<T> {
    if (this.#closed) throw new TaskError('STORE_UNAVAILABLE', 'it is not open')
    const { unsupported } = this.#availability
    if (unsupported) throw new TaskError('STORE_UNAVAILABLE', unsupported)
    const giveUpAt = performance.now() + withinMs
    for (;;) {
      await this.#reconnected()
      // The reason why there is no connection says more than that there is none.
      if (this.#client.status !== 'ready')
        throw new TaskError('STORE_UNAVAILABLE', this.#availability.problem ?? 'the connection was lost')
      try {
        batchWrites(this.#client)
        return await inTime(withinMs, command(this.#client))
      } catch (error) {
        if (!isUnsent(error) || performance.now() > giveUpAt)
          throw new TaskError('STORE_UNAVAILABLE', this.#failed(error))
        // The connection was lost, which its client notices in a moment.
        this.#lostAt ??= performance.now()
        await setImmediate()
      }
    }
  }

  /** Resolves when there is a connection, or after the time that one may take that was just lost. */
  async #reconnected(): Promise<void> {
    if (this.#lostAt === undefined) return
    // It is usually there again at once.
    const leftMs = this.#lostAt + (this.requestMs * 2) / 3 - performance.now()
    if (leftMs <= 0) return
    this.#ready ??= new Promise<void>((resolve) => {
      this.#client.once('ready', () => {
        this.#ready = undefined
        resolve()
      })
    })
    await within(leftMs, this.#ready)
  }

  close(): void {
    this.#closed = true
    disconnect(this.#client)
  }

  async #eval(client: Client, script: Script, args: readonly (string | number)[]): Promise<unknown> {
    for (;;) {
      const texts = this.#texts.get(script) ?? 0
      try {
        return await client.evalsha(script.sha, 1, this.#key, ...args)
      } catch (error) {
        // A Redis that was restarted, or has just become the primary, needs the text once.
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
        // Another command has sent it meanwhile: this one comes after it.
        if ((this.#texts.get(script) ?? 0) > texts) continue
        this.#texts.set(script, texts + 1)
        return client.eval(script.text, 1, this.#key, ...args)
      }
    }
  }

  #failed(error: unknown): string {
    if (!this.#closed) return this.#availability.failed(error)
    return error instanceof Error ? error.message : String(error)
  }

  /** Looks at what was connected to, each time: it may have been replaced. */
  async #examine(): Promise<void> {
    try {
      const info = await inTime(this.requestMs, this.#client.info())
      const { unsupported, warnings } = examineServer(info)
      this.#availability.examined(unsupported)
      for (const warning of warnings) this.#log.warn(warning)
    } catch (error) {
      this.#failed(error)
    }
    if (this.#closed) return
    for (const listener of this.#readyListeners) listener()
  }
}

/** Not ioredis's own time limit: that begins when a command is sent, and one may wait for another's answer before. */
export function inTime<T>(ms: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`no answer in ${ms} ms`))
    // Two ticks in place of one timeout: after a pause of the whole process the first fires before an answer that is there is read.
    let timer = setTimeout(() => {
      timer = setTimeout(fail, ms / 2)
    }, ms / 2)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

const oldest = [6, 2] as const

/** What a server's INFO says against it. */
export function examineServer(info: string): { unsupported: string | undefined; warnings: string[] } {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1]
  const warnings: string[] = []
  const version = field('redis_version') ?? ''
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const tooOld = major < oldest[0] || (major === oldest[0] && minor < oldest[1])
  const policy = field('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') {
    warnings.push(
      `Redis has the maxmemory-policy ${policy} and may drop tasks when its memory is full; it has to be noeviction`
    )
  }
  if (field('aof_enabled') === '0')
    warnings.push('Redis keeps no append-only file: tasks that were accepted do not survive its restart')
  const unsupported = tooOld
    ? `Redis ${version} is too old, it has to be ${oldest.join('.')} or newer`
    : undefined
  return { unsupported, warnings }
}
