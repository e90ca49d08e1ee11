import { TaskError } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Client, forBlocking, forPatience, forRequests } from './clients.ts'
import { type Script, scripts } from './scripts.ts'

// Two commands in a row still answer within the two seconds that a client may wait for a 503.
const answerWithinMs = 750
/** The connections of one process to one Redis. Whatever fails is a TaskError STORE_UNAVAILABLE that says why. */
export class Connection {
  readonly client: Client
  /** For commands that can wait until Redis is back; BullMQ duplicates it for its own. */
  readonly patient: Client
  readonly #url: string
  readonly #key: string
  readonly #log: Log
  /** Set while Redis cannot be used: why. */
  #trouble: string | undefined
  /** Set while Redis must not be used: why. */
  #unfit: string | undefined
  #closed = false

  /** `key` is the prefix of all keys. */
  constructor(url: string, key: string, log: Log) {
    this.#url = url
    this.#key = key
    this.#log = log
    this.client = forRequests(url)
    this.patient = forPatience(url)
    this.client.on('error', (error: Error) => this.#failed(error))
    this.client.on('ready', () => void this.#examine())
    // The client says it for both.
    this.patient.on('error', () => {})
  }

  /** Resolves when Redis can be used for the first time. */
  async ready(): Promise<void> {
    if (this.client.status === 'ready') return
    await new Promise<void>((resolve) => this.client.once('ready', resolve))
  }

  /** A client for commands that block for so long at most. */
  blocking(blockMs: number): Client {
    return forBlocking(this.#url, blockMs)
  }

  run(script: keyof typeof scripts, ...args: (string | number)[]): Promise<unknown> {
    return this.use((client) => this.#eval(client, scripts[script], args))
  }

  /** Does something with the client, within the time that its caller may wait. */
  async use<T>(command: (client: Client) => Promise<T>): Promise<T> {
    if (this.#closed) throw new TaskError('STORE_UNAVAILABLE', 'it is not open')
    if (this.#unfit) throw new TaskError('STORE_UNAVAILABLE', this.#unfit)
    // The reason why there is no connection says more than that there is none.
    if (this.client.status !== 'ready')
      throw new TaskError('STORE_UNAVAILABLE', this.#trouble ?? 'not connected yet')
    try {
      return await inTime(command(this.client))
    } catch (error) {
      throw new TaskError('STORE_UNAVAILABLE', this.#failed(error))
    }
  }

  /** Writes something: reading may work when that does not, and only this tells that all is well again. */
  async probe(): Promise<void> {
    await this.use((client) => client.set(`${this.#key}:probe`, Date.now(), 'EX', 60))
    if (this.#trouble) this.#log.info('the task store can be used again')
    this.#trouble = undefined
  }

  /** Whether something has gone wrong since it was last known to work. */
  get troubled(): boolean {
    return this.#trouble !== undefined
  }

  close(): void {
    this.#closed = true
    this.client.disconnect()
    this.patient.disconnect()
  }

  async #eval(client: Client, { text, sha }: Script, args: (string | number)[]): Promise<unknown> {
    try {
      return await client.evalsha(sha, 1, this.#key, ...args)
    } catch (error) {
      // A Redis that was restarted, or has just become the primary, has to be told it once.
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return client.eval(text, 1, this.#key, ...args)
    }
  }

  #failed(error: unknown): string {
    let reason = error instanceof Error ? error.message || error.name : String(error)
    // It says only that the connection was lost; why was known before.
    if (reason.startsWith("Stream isn't writeable")) reason = this.#trouble ?? 'the connection was lost'
    if (this.#closed) return reason
    if (this.#trouble !== reason) this.#log.error({ reason }, 'the task store cannot be used')
    this.#trouble = reason
    return reason
  }

  /** Looks at what was connected to, each time: it may have been replaced. */
  async #examine(): Promise<void> {
    try {
      const info = await this.client.info()
      const { unfit, warnings } = judgeServer(info)
      this.#unfit = unfit
      if (unfit) this.#log.error({ reason: unfit }, 'the task store must not be used')
      for (const warning of warnings) this.#log.warn(warning)
    } catch (error) {
      this.#failed(error)
    }
  }
}

/** Not ioredis's own time limit: that begins when a command is sent, and one may wait for another's answer before. */
function inTime<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${answerWithinMs} ms`)), answerWithinMs)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

const oldest = [6, 2] as const

/** What a server's INFO says against it. */
export function judgeServer(info: string): { unfit: string | undefined; warnings: string[] } {
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
  const unfit = tooOld ? `Redis ${version} is too old, it has to be ${oldest.join('.')} or newer` : undefined
  return { unfit, warnings }
}
