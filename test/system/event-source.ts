import { get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface SeenEvent {
  id: string
  type: string
  /** The JSON text of the `data` line. */
  json: string
}

export interface Following {
  /** Everything that arrived, in the order of its arrival. */
  readonly events: readonly SeenEvent[]
  /** How many requests were answered. */
  readonly connections: number
  /** Resolves with `ended` on a 204, with `stopped` on `stop()`, else with the answer at which it gave up for good. */
  readonly done: Promise<'ended' | 'stopped' | `gave up: ${string}`>
  /** Resolves with the first event, past or future, that passes; rejects if the stream is done without one. */
  seen(passes: (event: SeenEvent) => boolean): Promise<SeenEvent>
  stop(): void
}

/**
 * Follows a stream as EventSource does: back with Last-Event-ID after a dropped connection or a 200 that ended, after
 * the wait that `retry:` asks for (at most `maxRetryMs`); 204 ends it, any other answer makes it give up.
 * `url` is asked anew for each connection: the service may have moved.
 */
export function follow(url: () => string, { maxRetryMs = 100 } = {}): Following {
  const abort = new AbortController()
  const events: SeenEvent[] = []
  const watchers = new Set<(event: SeenEvent) => void>()
  let connections = 0
  let retryMs = maxRetryMs

  const dispatch = (event: SeenEvent) => {
    events.push(event)
    for (const watch of watchers) watch(event)
  }

  const run = async (): Promise<Awaited<Following['done']>> => {
    while (!abort.signal.aborted) {
      try {
        const response = await request(url(), events.at(-1)?.id, abort.signal)
        connections++
        const type = response.headers['content-type'] ?? 'no content type'
        if (response.statusCode === 204) return 'ended'
        if (response.statusCode !== 200 || !type.startsWith('text/event-stream')) {
          response.resume()
          return `gave up: ${response.statusCode} ${type}`
        }
        await readEvents(response, dispatch, (ms) => {
          retryMs = Math.min(ms, maxRetryMs)
        })
      } catch {
        // A refused or dropped connection: try again.
      }
      await sleep(retryMs, undefined, { signal: abort.signal }).catch(() => {})
    }
    return 'stopped'
  }

  const done = run()
  const seen = (passes: (event: SeenEvent) => boolean): Promise<SeenEvent> => {
    const past = events.find(passes)
    if (past) return Promise.resolve(past)
    return new Promise((resolve, reject) => {
      const watch = (event: SeenEvent) => {
        if (!passes(event)) return
        watchers.delete(watch)
        resolve(event)
      }
      watchers.add(watch)
      void done.then((how) => reject(new Error(`the stream ${how} without that event`)))
    })
  }

  return {
    events,
    done,
    seen,
    get connections() {
      return connections
    },
    stop: () => abort.abort()
  }
}

function request(
  url: string,
  lastEventId: string | undefined,
  signal: AbortSignal
): Promise<IncomingMessage> {
  const headers: Record<string, string> = { accept: 'text/event-stream' }
  if (lastEventId !== undefined) headers['last-event-id'] = lastEventId
  return new Promise((resolve, reject) => {
    get(url, { agent: false, headers, signal }, resolve).on('error', reject)
  })
}

/** Rejects when the connection drops; an event counts when its empty line has arrived. */
async function readEvents(
  response: IncomingMessage,
  dispatch: (event: SeenEvent) => void,
  setRetry: (ms: number) => void
): Promise<void> {
  let rest = ''
  let event = { id: '', type: 'message', json: '' }
  for await (const chunk of response.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const [, field, value = ''] = /^(\w+): ?(.*)$/.exec(line) ?? []
      if (line === '') {
        if (event.json !== '') dispatch(event)
        event = { id: '', type: 'message', json: '' }
      } else if (field === 'id') event.id = value
      else if (field === 'event') event.type = value
      else if (field === 'data') event.json += value
      else if (field === 'retry') setRetry(Number(value))
    }
  }
}
