import { fileURLToPath } from 'node:url'
import { Worker as Thread } from 'node:worker_threads'
import { type ErrorCode, StartError, TaskError } from '../errors.ts'
import type { Log } from '../log.ts'
import { within } from '../timers.ts'
import type {
  Answer,
  Arguments,
  FromThread,
  Method,
  Notice,
  Request,
  ThreadData,
  ToThread
} from './messages.ts'
import type { StoreOptions } from './store-service.ts'

interface Call {
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
  /** Whether it waits for as long as the thread lives. */
  insists: boolean
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const folder = import.meta.url.includes('/embedded/') ? '.' : './embedded'
const threadFile = fileURLToPath(new URL(`${folder}/store-thread.${extension}`, import.meta.url))

// Callers are answered within two seconds.
const tickMs = 500
const maxTicks = 3
const terminateMs = 1_000

interface Events {
  /** What the thread says, but for its answers. */
  notice(notice: Notice): void
  died(): void
}

/**
 * Asks the thread of the store: all of a turn of the event loop in one message. Errors are TaskErrors, or StartErrors when it is
 * opened.
 */
export class ThreadClient {
  readonly #thread: Thread
  readonly #events: Events
  readonly #log: Log
  readonly #calls = new Map<number, Call>()
  #requests: Request[] = []
  #ids = 0
  #batch = 0
  #acknowledged = 0
  #ticker: NodeJS.Timeout | undefined
  /** Why no call is answered, if none is. */
  #problem: string | undefined
  #hasDied = false

  constructor(options: StoreOptions, log: Log, events: Events) {
    this.#log = log
    this.#events = events
    const workerData: ThreadData = { options }
    this.#thread = new Thread(threadFile, { workerData })
    this.#thread.on('message', (message: FromThread) => this.#receive(message))
    this.#thread.on('error', (err) => {
      this.#log.error(
        { err },
        'the thread of the task store failed; running tasks are lost, restart this process'
      )
    })
    this.#thread.on('exit', () => this.#die())
  }

  /** Is refused while the thread does not answer. */
  call<M extends Method>(method: M, ...args: Arguments<M>): Promise<Answer<M>> {
    return this.#call(method, args, false)
  }

  /** Waits for as long as the thread lives: for what a running task would lose otherwise. */
  insist<M extends Method>(method: M, ...args: Arguments<M>): Promise<Answer<M>> {
    return this.#call(method, args, true)
  }

  /** Without an answer, and also while calls are not answered: it is done as soon as it can be. */
  post<M extends Method>(method: M, ...args: Arguments<M>): void {
    if (!this.#hasDied) this.#send([undefined, method, args])
  }

  async terminate(): Promise<void> {
    clearInterval(this.#ticker)
    this.#thread.removeAllListeners('exit')
    // One that hangs in the kernel does not end.
    await within(terminateMs, this.#thread.terminate())
    this.#hasDied = true
    this.#fail('it is not open')
  }

  #call<M extends Method>(method: M, args: Arguments<M>, insists: boolean): Promise<Answer<M>> {
    return new Promise((resolve, reject) => {
      if (this.#problem !== undefined && (this.#hasDied || !insists))
        return reject(new TaskError('STORE_UNAVAILABLE', this.#problem))
      const id = ++this.#ids
      // Each method's answer is sent by the method itself.
      this.#calls.set(id, { resolve: resolve as Call['resolve'], reject, insists })
      this.#send([id, method, args])
    })
  }

  /** With all else of this turn; what comes while the thread has a batch waits for its end, and is a larger one. */
  #send(request: Request): void {
    if (this.#requests.push(request) === 1) this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    if (this.#acknowledged === this.#batch) setImmediate(() => this.#flush())
  }

  #flush(): void {
    if (this.#requests.length === 0 || this.#acknowledged !== this.#batch) return
    const message: ToThread = [++this.#batch, this.#requests]
    this.#requests = []
    this.#thread.postMessage(message)
    // Opening a store takes as long as it takes.
    if (this.#acknowledged > 0) this.#ticker ??= this.#watch()
  }

  /** Counts ticks, not time: after a pause of the whole process the first fires before an answer that is there is read. */
  #watch(): NodeJS.Timeout {
    let waitedFor = this.#acknowledged
    let ticks = 0
    return setInterval(() => {
      if (this.#acknowledged === this.#batch) {
        clearInterval(this.#ticker)
        this.#ticker = undefined
      } else if (this.#acknowledged > waitedFor) {
        waitedFor = this.#acknowledged
        ticks = 0
      } else if (++ticks === maxTicks) {
        this.#log.error('the thread of the task store does not answer')
        this.#fail('its thread does not answer')
      }
    }, tickMs)
  }

  #receive([batch, notices]: FromThread): void {
    this.#acknowledged = batch
    if (this.#problem !== undefined && !this.#hasDied) {
      this.#problem = undefined
      this.#log.info('the thread of the task store answers again')
    }
    for (const notice of notices) {
      switch (notice[0]) {
        case 'answer':
          this.#take(notice[1])?.resolve(notice[2])
          break
        case 'refused':
          this.#take(notice[1])?.reject(taskError(notice[2], notice[3]))
          break
        case 'failed':
          this.#take(notice[1])?.reject(notice[3] ? new StartError(notice[2].message) : notice[2])
          break
        default:
          this.#events.notice(notice)
      }
    }
    if (this.#requests.length > 0) this.#scheduleFlush()
  }

  #take(id: number): Call | undefined {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    return call
  }

  #fail(problem: string): void {
    this.#problem = problem
    for (const [id, { reject, insists }] of this.#calls) {
      if (insists && !this.#hasDied) continue
      this.#calls.delete(id)
      reject(new TaskError('STORE_UNAVAILABLE', problem))
    }
    this.#requests = this.#requests.filter(([id]) => id === undefined || this.#calls.has(id))
  }

  #die(): void {
    clearInterval(this.#ticker)
    this.#hasDied = true
    this.#fail('its thread has ended')
    this.#events.died()
  }
}

/** With the message as it was formatted where it was thrown. */
function taskError(code: ErrorCode, message: string): TaskError {
  return Object.assign(new TaskError(code), { message })
}
