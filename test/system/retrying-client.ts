import { setTimeout as sleep } from 'node:timers/promises'
import type { NewTask, TaskPage, TaskRecord } from '../../src/task.ts'
import { type Following, follow } from './event-source.ts'

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: what it is depends on the route; a test looks at what it expects
  body: any
}

/** What a client was answered before it asked again. */
export interface Refusal {
  request: string
  status: number | 'no answer'
  retryAfter?: string | null
  reason: string
}

// Short, because a test waits for it.
const retryMs = 50

/**
 * A client that does not take no for an answer: it asks again after connection errors and 429, 502 and 503, until it
 * is answered or closed. `base` is asked anew for each request: the service may have moved, or be several.
 */
export class Client {
  readonly #base: () => string
  readonly #followings: Following[] = []
  readonly #refusals: Refusal[] = []
  #closed = false

  constructor(base: () => string) {
    this.#base = base
  }

  /** What is not answered is not asked again: it rejects. Streams are not followed any more. */
  close(): void {
    this.#closed = true
    for (const following of this.#followings) following.stop()
  }

  /** Every answer, or none, after which it asked again. */
  get refusals(): readonly Refusal[] {
    return this.#refusals
  }

  start(task: NewTask, key: string): Promise<Answer> {
    const headers = { 'content-type': 'application/json', 'idempotency-key': key }
    return this.call('POST', '/api/tasks', { headers, body: JSON.stringify(task) })
  }

  get(taskId: string): Promise<Answer> {
    return this.call('GET', `/api/tasks/${taskId}`)
  }

  cancel(taskId: string): Promise<Answer> {
    return this.call('POST', `/api/tasks/${taskId}/cancel`)
  }

  remove(taskId: string): Promise<Answer> {
    return this.call('DELETE', `/api/tasks/${taskId}`)
  }

  /** All tasks, newest first. */
  async *list(): AsyncGenerator<TaskRecord> {
    let cursor = ''
    do {
      const page: TaskPage = (await this.call('GET', `/api/tasks?limit=200${cursor}`)).body
      yield* page.tasks
      cursor = page.nextCursor === undefined ? '' : `&cursor=${page.nextCursor}`
    } while (cursor !== '')
  }

  follow(taskId: string): Following {
    const following = follow(() => `${this.#base()}/api/tasks/${taskId}/stream`)
    this.#followings.push(following)
    return following
  }

  async call(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    for (;;) {
      const answer = await this.#callOnce(method, path, init).catch((error: Error) => {
        // The API of fetch: a TypeError means that there was no answer, or no whole one.
        if (!(error instanceof TypeError)) throw error
        this.#refusals.push({
          request: `${method} ${path}`,
          status: 'no answer',
          reason: String(error.cause)
        })
      })
      if (answer && ![429, 502, 503, 504].includes(answer.status)) return answer
      if (answer) {
        const retryAfter = answer.headers.get('retry-after')
        const reason = JSON.stringify(answer.body)
        this.#refusals.push({ request: `${method} ${path}`, status: answer.status, retryAfter, reason })
      }
      if (this.#closed) throw new Error(`${method} ${path} was not answered`)
      await sleep(retryMs)
    }
  }

  async #callOnce(method: string, path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(this.#base() + path, { ...init, method })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text || undefined
    }
  }
}
