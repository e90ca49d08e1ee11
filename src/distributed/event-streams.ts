import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.ts'
import { toEvent } from '../stored.ts'
import { type EventType, isFinalEvent, isFinished, type TaskEvent, type TaskStatus } from '../task.ts'
import type { BlockingConnection } from './blocking-connection.ts'
import type { Connection } from './connection.ts'

export interface EventStreamsOptions {
  connection: Connection
  /** The prefix of all keys. */
  key: string
  /** Whose inbox is read. */
  owner: string
  /** A message in the inbox: this task is to be cancelled. */
  onCancel: (taskId: string) => void
  log: Log
}

/** How far a task's events have been read for those who follow it live. */
interface Feed {
  /** The id of the latest event that was read. */
  position: string
  /** The latest events; the first one follows directly after the event `before`. */
  recent: TaskEvent[]
  before: string
  readers: number
  /** Wakes each reader that has all there is. */
  waiting: Set<(look: boolean) => void>
}

const firstId = '0-0'
const readLimit = 100
/** How many of a followed task's latest events are kept in memory, for the readers that keep up. */
const recentEvents = 64
// Each read names all followed streams again, so with many of them it blocks for longer. A half-open connection is noticed only
// after that time.
const minBlockMs = 2_000
const maxBlockMs = 10_000
const retryMs = 100
// Each read names all followed streams. Waiting a little between two lets events gather, so that following many tasks costs
// Redis no more than following a few.
const pauseMsPerFeed = 0.01
const maxPauseMs = 100
// After a longer silence a removal may have been missed.
const gapMs = 30_000

/** The events of tasks: the log of each in its Redis stream, and what comes live over one blocking connection for all. */
export class EventStreams {
  readonly #options: EventStreamsOptions
  readonly #reader: BlockingConnection
  readonly #inbox: string
  readonly #feeds = new Map<string, Feed>()
  readonly #removed: string
  #inboxPosition = firstId
  #removedPosition = firstId
  #readAt = performance.now()
  #blocked = false
  #stopped = false

  constructor(options: EventStreamsOptions) {
    this.#options = options
    this.#inbox = `${options.key}:inbox:${options.owner}`
    this.#removed = `${options.key}:removed`
    this.#reader = options.connection.blocking(maxBlockMs)
    void this.#read()
  }

  /** What a reader has to know of a task before it follows it. */
  async find(taskId: string): Promise<{ status: TaskStatus; lastEvent: string | undefined } | undefined> {
    const { connection, key } = this.#options
    const [status, last] = await connection.use((client) =>
      Promise.all([
        client.hget(`${key}:task:${taskId}`, 'status'),
        client.xrevrange(`${key}:events:${taskId}`, '+', '-', 'COUNT', 1)
      ])
    )
    return status === null ? undefined : { status: status as TaskStatus, lastEvent: last[0]?.[0] } // by our scripts
  }

  /** The events after an id, kept ones first, until the final one, the task's removal or the signal. */
  async *follow(
    taskId: string,
    after: string | undefined,
    signal: AbortSignal
  ): AsyncGenerator<readonly TaskEvent[]> {
    let position = after ?? firstId
    let feed: Feed | undefined
    let look = true
    let wake: (look: boolean) => void = () => {}
    const onAbort = () => wake(false)
    signal.addEventListener('abort', onAbort)
    try {
      while (!signal.aborted) {
        let events = feed && eventsAfter(feed, position)
        if (!events || (look && events.length === 0)) {
          const log = await this.#readLog(taskId, position)
          if (!log.lives && log.events.length === 0) return
          events = log.events
        }
        look = false
        const last = events.at(-1)
        if (last) {
          yield events
          if (isFinalEvent(last.type)) return
          position = last.id
        } else if (!feed) {
          feed = this.#join(taskId, position)
        } else {
          const { waiting } = feed
          look = await new Promise<boolean>((resolve) => {
            wake = resolve
            waiting.add(resolve)
          })
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      feed?.waiting.delete(wake)
      if (feed && --feed.readers === 0) this.#feeds.delete(taskId)
    }
  }

  stop(): void {
    this.#stopped = true
    this.#reader.close()
    this.#look()
  }

  #join(taskId: string, position: string): Feed {
    let feed = this.#feeds.get(taskId)
    if (!feed) {
      feed = { position, recent: [], before: position, readers: 0, waiting: new Set() }
      this.#feeds.set(taskId, feed)
      this.#interrupt()
    }
    feed.readers++
    return feed
  }

  /** The events after an id, and whether more may come. */
  async #readLog(taskId: string, after: string): Promise<{ events: TaskEvent[]; lives: boolean }> {
    const { connection, key } = this.#options
    // In this order: a task that is seen to have ended has all its events in what is read then.
    const [status, entries] = await connection.use((client) =>
      Promise.all([
        client.hget(`${key}:task:${taskId}`, 'status'),
        client.xrange(`${key}:events:${taskId}`, `(${after}`, '+', 'COUNT', readLimit)
      ])
    )
    const lives = status !== null && !isFinished(status as TaskStatus) // by our scripts
    return { events: entries.map((entry) => toTaskEvent(taskId, entry)), lives }
  }

  /** Reads the inbox and all followed streams, over and over. */
  async #read(): Promise<void> {
    while (!this.#stopped) {
      const taskIds = [...this.#feeds.keys()]
      const { key } = this.#options
      const keys = [this.#inbox, this.#removed, ...taskIds.map((taskId) => `${key}:events:${taskId}`)]
      const asked = new Map(this.#feeds)
      const feeds = [...asked.values()]
      const positions = [this.#inboxPosition, this.#removedPosition, ...feeds.map(({ position }) => position)]
      const blockMs = Math.min(maxBlockMs, minBlockMs + feeds.length)
      this.#blocked = true
      try {
        const found = await this.#reader.run(blockMs, (client) =>
          client.xread('COUNT', readLimit, 'BLOCK', blockMs, 'STREAMS', ...keys, ...positions)
        )
        this.#blocked = false
        for (const [stream, entries] of found ?? []) {
          if (stream === this.#inbox) this.#receive(entries)
          else if (stream === this.#removed) this.#noteRemovals(entries)
          else this.#publish(stream.slice(`${this.#options.key}:events:`.length), entries, asked)
        }
        if (performance.now() - this.#readAt > gapMs) this.#look()
        this.#readAt = performance.now()
        if (found) await sleep(Math.min(maxPauseMs, Math.floor(taskIds.length * pauseMsPerFeed)))
      } catch (err) {
        this.#blocked = false
        if (this.#stopped) return
        this.#options.log.debug({ err }, 'events cannot be read, trying again')
        await sleep(retryMs)
      }
    }
  }

  #receive(messages: Entry[]): void {
    for (const [id, [kind, taskId]] of messages) {
      this.#inboxPosition = id
      if (kind === 'cancel' && taskId !== undefined) this.#options.onCancel(taskId)
    }
  }

  #noteRemovals(messages: Entry[]): void {
    for (const [id, [, taskId = '']] of messages) {
      this.#removedPosition = id
      const feed = this.#feeds.get(taskId)
      if (feed) wakeReaders(feed, true)
    }
  }

  #publish(taskId: string, entries: Entry[], asked: ReadonlyMap<string, Feed>): void {
    const feed = this.#feeds.get(taskId)
    // A feed that began while that was read may stand at an earlier event; the next read begins there.
    if (!feed || feed !== asked.get(taskId)) return
    for (const entry of entries) {
      // It may have been read for a feed of the same task that is gone.
      if (!isAfter(entry[0], feed.position)) continue
      feed.recent.push(toTaskEvent(taskId, entry))
      feed.position = entry[0]
    }
    const dropped = feed.recent.splice(0, Math.max(0, feed.recent.length - recentEvents)).at(-1)
    if (dropped) feed.before = dropped.id
    wakeReaders(feed, false)
  }

  #look(): void {
    for (const feed of this.#feeds.values()) wakeReaders(feed, true)
  }

  /** Ends the read that is under way, because it does not know of a stream that is followed now. */
  #interrupt(): void {
    if (!this.#blocked) return
    this.#blocked = false
    const wake = this.#options.connection.use((client) =>
      Promise.all([
        client.xadd(this.#inbox, 'MAXLEN', '~', 1000, '*', 'wake', ''),
        client.pexpire(this.#inbox, 60_000)
      ])
    )
    // Without Redis there is nothing to end; the next read knows all streams.
    wake.catch(() => {})
  }
}

type Entry = [id: string, fields: string[]]

function wakeReaders(feed: Feed, look: boolean): void {
  const { waiting } = feed
  feed.waiting = new Set()
  for (const wake of waiting) wake(look)
}

/** The events after an id if all of them are in memory, else undefined. */
function eventsAfter(feed: Feed, position: string): TaskEvent[] | undefined {
  if (position === feed.position) return []
  if (position === feed.before) return feed.recent.slice()
  const index = feed.recent.findIndex(({ id }) => id === position)
  return index === -1 ? undefined : feed.recent.slice(index + 1)
}

function toTaskEvent(taskId: string, [id, [, type, , data = 'null', , at]]: Entry): TaskEvent {
  return toEvent(taskId, { id, type: type as EventType, at: Number(at ?? id.split('-')[0]), data }) // by our scripts
}

/** Whether one id of a Redis stream comes after another. */
export function isAfter(id: string, other: string): boolean {
  const [ms = 0, n = 0] = id.split('-').map(Number)
  const [otherMs = 0, otherN = 0] = other.split('-').map(Number)
  return ms > otherMs || (ms === otherMs && n > otherN)
}
