/** A client of lastcall for browsers and Node: starts a task once and sees each event once, whatever happens on the way. */
import { parseEvents } from './events.ts'
import { LastcallError, renewable, repeat, sleep } from './repeat.ts'
import type { ListTasksQuery, NewTask, TaskEvent, TaskPage, TaskRecord, TaskStarted } from './types.ts'

export { LastcallError } from './repeat.ts'
export type * from './types.ts'

export interface ClientOptions {
  /** Where the service is, without `/api` [the page's own origin]. */
  baseUrl?: string
  /** One of `API_TOKENS`. A function is called for the first request, and again when the service refuses what it gave. */
  token?: string | (() => string | Promise<string>)
  /** How long the service may be away or draining before a call fails [120]. */
  patienceSeconds?: number
  /** How long an answer may take, and how long a stream may be silent before it is opened again [60]. */
  timeoutSeconds?: number
}

export interface CallOptions {
  signal?: AbortSignal
}

export interface StartOptions extends CallOptions {
  /** The same key and task again is the same task. Without one, only the repeats that this call makes share a key. */
  idempotencyKey?: string
}

export interface FollowOptions extends CallOptions {
  /** Starts after the event with this id [at the first one that is kept]. */
  lastEventId?: string
  /** A `streamUrl` with a ticket, in place of a token. A function is called again when its ticket has expired. */
  streamUrl?: string | (() => string | Promise<string>)
}

/** A new task of a built-in type with its own input, or of any other type. */
export type TaskToStart<Type extends string> = { type: Type } & (Type extends NewTask['type']
  ? Extract<NewTask, { type: Type }>
  : Omit<NewTask, 'type' | 'input'> & { type: Type; input: unknown })

/** An event of a task's stream, with its id for `lastEventId`. */
export type FollowedEvent = TaskEvent & { id: string }

// Many proxies cut off a request that is not answered for a minute.
const longPollSeconds = 25

export class LastcallClient {
  readonly #baseUrl: string
  readonly #withToken: ReturnType<typeof renewable> | undefined
  readonly #patienceMs: number
  readonly #timeoutMs: number

  constructor({ baseUrl = '', token, patienceSeconds = 120, timeoutSeconds = 60 }: ClientOptions = {}) {
    this.#baseUrl = baseUrl.replace(/\/+$/, '')
    this.#withToken = token === undefined ? undefined : renewable(token)
    this.#patienceMs = patienceSeconds * 1000
    this.#timeoutMs = timeoutSeconds * 1000
  }

  /** Resolves when the task is durable. Repeated after a 503 or a broken connection, it makes no second task. */
  start<Type extends string>(task: TaskToStart<Type>, options?: StartOptions): Promise<TaskStarted> {
    return this.#call('POST', '/api/tasks', options, task)
  }

  /** Starts 1 to 1,000 tasks in one durable step, all of them or none; resolves with them in the same order. */
  async startMany<Type extends string>(
    tasks: readonly (TaskToStart<Type> & { idempotencyKey?: string })[],
    options?: CallOptions
  ): Promise<TaskStarted[]> {
    const body = { tasks: tasks.map((task) => ({ idempotencyKey: newKey(), ...task })) }
    return (await this.#call<{ tasks: TaskStarted[] }>('POST', '/api/tasks/batch', options, body)).tasks
  }

  get(taskId: string, options: CallOptions & { input?: boolean } = {}): Promise<TaskRecord> {
    return this.#call('GET', `${urlOf(taskId)}${options.input ? '?include=input' : ''}`, options)
  }

  /** Resolves when the task is completed, failed or cancelled. */
  async wait(taskId: string, options: CallOptions = {}): Promise<TaskRecord> {
    // A poll has to be answered before its request is given up.
    const seconds = Math.min(longPollSeconds, this.#timeoutMs / 2_000)
    for (;;) {
      const askedAt = performance.now()
      const task = await this.#call<TaskRecord>('GET', `${urlOf(taskId)}?wait=${seconds}`, options)
      if (isFinal(task.status)) return task
      // A process that shuts down answers early; its successor is there in a moment.
      if (performance.now() - askedAt < seconds * 900) await sleep(1000, options.signal)
    }
  }

  /** The tasks that match, newest first, page after page. */
  async *list(query: Omit<ListTasksQuery, 'cursor'> = {}, options?: CallOptions) {
    const search = new URLSearchParams()
    for (const [name, values] of Object.entries(query))
      for (const value of [values ?? []].flat()) search.append(name, String(value))
    for (;;) {
      const page = await this.#call<TaskPage>('GET', `/api/tasks?${search}`, options)
      yield* page.tasks
      if (page.nextCursor === undefined) return
      search.set('cursor', page.nextCursor)
    }
  }

  /** Resolves when the cancellation is durable; a running task then takes a little longer to end. */
  cancel(taskId: string, options?: CallOptions): Promise<TaskRecord> {
    return this.#call<TaskRecord>('POST', `${urlOf(taskId)}/cancel`, options).catch(async (error) => {
      // The task may be finished because of this call, whose first answer got lost.
      const task = error.code === 'TASK_ALREADY_FINISHED' ? await this.get(taskId, options) : undefined
      if (task?.cancelReason !== 'client') throw error
      return task
    })
  }

  /** Starts a finished task again, as a new one. */
  retry(taskId: string, options?: StartOptions): Promise<TaskStarted> {
    return this.#call('POST', `${urlOf(taskId)}/retry`, options)
  }

  /** The events of a task, each once and in order, until the final one, over as many connections as that takes. */
  async *follow(taskId: string, { signal, lastEventId: lastId, streamUrl }: FollowOptions = {}) {
    const withUrl = streamUrl === undefined ? undefined : renewable(streamUrl)
    let retryMs = 2000
    let left = new AbortController()
    const open = () => {
      // What an attempt before this one may still get is not wanted any more.
      left.abort()
      left = new AbortController()
      const headers = { accept: 'text/event-stream', ...(lastId && { 'last-event-id': lastId }) }
      const init = { headers, signal: either(left.signal, signal) }
      return withUrl?.((url) => this.#send(url, init)) ?? this.#authorized(`${urlOf(taskId)}/stream`, init)
    }
    for (;;) {
      try {
        const response = await repeat(() => this.#within(open()), this.#patienceMs, signal)
        if (response.status === 204) return
        const type = response.headers.get('content-type') ?? ''
        if (!type.startsWith('text/event-stream')) throw unexpected(response, 'is no event stream')
        const reader = response.body?.getReader()
        // A connection that breaks, or falls silent, is the end of this stream and no more.
        const read = async () => reader && (await this.#within(reader.read()).catch(() => undefined))?.value
        for await (const message of parseEvents(read)) {
          retryMs = message.retryMs ?? retryMs
          if (message.data === undefined) continue
          lastId = message.id
          const event: FollowedEvent = { ...JSON.parse(message.data), id: message.id }
          yield event
          if (isFinal(event.type.replace('task_', ''))) return
        }
      } finally {
        left.abort()
      }
      await sleep(retryMs, signal)
    }
  }

  /** Rejects when nothing comes for too long. */
  #within<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = new LastcallError('NO_ANSWER', 'Nothing came for too long')
      const timer = setTimeout(reject, this.#timeoutMs, late)
      promise.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }

  /** Every call that is made here may be repeated without doing anything twice. */
  #call<T>(method: 'GET' | 'POST', url: string, options: StartOptions = {}, content?: unknown): Promise<T> {
    const { signal, idempotencyKey = newKey() } = options
    const named = { 'content-type': 'application/json', 'idempotency-key': idempotencyKey }
    const request = { method, headers: method === 'POST' ? named : {}, body: JSON.stringify(content) ?? null }
    const attempt = async () => {
      const ends = either(AbortSignal.timeout(this.#timeoutMs), signal)
      const response = await this.#authorized(url, { ...request, signal: ends })
      const answer = await response.json().catch((cause) => {
        throw cause instanceof SyntaxError ? unexpected(response, 'is no JSON') : noAnswer(url, cause)
      })
      return answer as T // what openapi.json says of it
    }
    return repeat(attempt, this.#patienceMs, signal)
  }

  #authorized(url: string, init: RequestInit): Promise<Response> {
    if (!this.#withToken) return this.#send(url, init)
    return this.#withToken((token) =>
      this.#send(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } })
    )
  }

  async #send(url: string, init: RequestInit): Promise<Response> {
    const response = await fetch(new Request(this.#baseUrl + url, init)).catch((cause) => {
      throw noAnswer(url, cause)
    })
    if (response.ok) return response
    const error = (await response.json().catch(() => ({}))) as { code?: string; message?: string } // or a proxy's
    if (!error.code) throw unexpected(response, `has status ${response.status}`)
    throw new LastcallError(error.code, String(error.message), response)
  }
}

const urlOf = (taskId: string) => `/api/tasks/${encodeURIComponent(taskId)}`
const isFinal = (status: string) => ['completed', 'failed', 'cancelled'].includes(status)
const either = (signal: AbortSignal, other = signal) => AbortSignal.any([signal, other])
// Not randomUUID(), which browsers have on secure pages alone.
const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('-')

// A ticket does not belong into a message.
const withoutQuery = (url: string) => url.replace(/\?.*/, '')
const noAnswer = (url: string, cause: unknown) =>
  new LastcallError('NO_ANSWER', `${withoutQuery(url)} was not answered`, undefined, cause)
const unexpected = (answer: Response, what: string) =>
  new LastcallError('UNEXPECTED_ANSWER', `The answer of ${withoutQuery(answer.url)} ${what}`, answer)
