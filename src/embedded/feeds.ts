import { isFinalEvent, type TaskEvent } from '../task.ts'

/** How many of a followed task's latest events are kept in memory, for the readers that keep up. */
const recentEvents = 64
const readLimit = 100

interface Feed {
  /** Events are published with the number that their feed was followed by. */
  number: number
  recent: TaskEvent[]
  removed: boolean
  readers: number
  /** Wakes each reader that has all there is. */
  waiting: Set<() => void>
}

interface Source {
  /** Up to `limit` events after an id, from the store; empty if there are none yet, undefined if none will come. */
  read(after: number, limit: number): Promise<TaskEvent[] | undefined>
  /** Called before the first reader with the number to publish new events with, and after the last one without. */
  setFollowed(number: number | undefined): void
}

/** Wakes the readers of a task's events, and hands each new event to all of them in its one serialised form. */
export class Feeds {
  readonly #feeds = new Map<string, Feed>()
  #count = 0

  publish(taskId: string, number: number, event: TaskEvent): void {
    const feed = this.#feeds.get(taskId)
    // An event of an earlier feed: between it and the next ones there may be some that were published to nobody.
    if (feed?.number !== number) return
    feed.recent.push(event)
    if (feed.recent.length > recentEvents) feed.recent.shift()
    wakeReaders(feed)
  }

  /** Lets the readers of a task find that it is no longer there. */
  remove(taskId: string): void {
    const feed = this.#feeds.get(taskId)
    if (!feed) return
    feed.removed = true
    wakeReaders(feed)
  }

  async *follow(
    taskId: string,
    after: number,
    signal: AbortSignal,
    { read, setFollowed }: Source
  ): AsyncGenerator<readonly TaskEvent[]> {
    const feed = this.#feeds.get(taskId) ?? {
      number: ++this.#count,
      recent: [],
      removed: false,
      readers: 0,
      waiting: new Set()
    }
    this.#feeds.set(taskId, feed)
    if (feed.readers++ === 0) setFollowed(feed.number)
    let wake = () => {}
    const onAbort = () => wake()
    signal.addEventListener('abort', onAbort)
    let caughtUp = false
    try {
      while (!signal.aborted) {
        let events = recentAfter(feed, after, caughtUp)
        if (!events) {
          events = await read(after, readLimit)
          if (events === undefined) return
          caughtUp = events.length < readLimit
          if (events.length === 0) continue
        }
        const last = events.at(-1)
        if (last === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve
            feed.waiting.add(resolve)
          })
          continue
        }
        yield events
        if (isFinalEvent(last.type)) return
        after = Number(last.id)
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      feed.waiting.delete(wake)
      if (--feed.readers === 0) {
        this.#feeds.delete(taskId)
        setFollowed(undefined)
      }
    }
  }
}

function wakeReaders(feed: Feed): void {
  const { waiting } = feed
  feed.waiting = new Set()
  for (const wake of waiting) wake()
}

/** The events after an id, none if there are none yet; undefined if only the log can tell. */
function recentAfter({ recent, removed }: Feed, after: number, caughtUp: boolean): TaskEvent[] | undefined {
  if (removed) return undefined
  const first = recent[0]
  // A reader that has caught up is notified of every event from then on.
  if (first === undefined) return caughtUp ? [] : undefined
  if (Number(first.id) > after + 1) return undefined
  return recent.slice(after + 1 - Number(first.id))
}
