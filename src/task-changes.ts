import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskChange } from './engine.ts'
import type { Labels } from './task.ts'

/** Which changes a watcher wants; by default all but progress. */
export interface ChangeFilter {
  type?: string | undefined
  /** `key:value`, all of which must hold. */
  labels: readonly string[]
  progress: boolean
}

interface SseText {
  text: string
  /** How many events that is. */
  count: number
}

interface Watcher {
  filter: ChangeFilter
  /** SSE frames that were not read yet; of a task's progress only the latest. */
  unread: Map<string, string>
  unreadLength: number
  ended: boolean
  wake: () => void
}

// Characters buffered for a watcher that reads slowly or not at all. A single result takes up to a mebibyte.
const maxUnreadLength = 4 * 1024 * 1024
// At most 20 writes a second for each watcher, however many changes there are: nobody sees the difference on a page.
const batchMs = 50

/** Passes all tasks' changes to watchers, live. A watcher that missed some reads the list of tasks again. */
export class TaskChanges {
  readonly #watchers = new Set<Watcher>()
  readonly #setWatching: (watching: boolean) => Promise<void>
  #listening: Promise<void> = Promise.resolve()
  #count = 0

  /** `setWatching` is called when the first watcher arrives and when the last one is gone. */
  constructor(setWatching: (watching: boolean) => Promise<void>) {
    this.#setWatching = setWatching
  }

  publish(change: TaskChange): void {
    const isProgress = change.type === 'progress_update'
    const key = isProgress ? change.taskId : String(++this.#count)
    let frame: string | undefined
    for (const watcher of this.#watchers) {
      if (watcher.ended || !passes(change, watcher.filter)) continue
      frame ??= frameOf(change)
      // A later progress must not overtake events that came after an unread one.
      const older = watcher.unread.get(key)
      if (older !== undefined) {
        watcher.unread.delete(key)
        watcher.unreadLength -= older.length
      }
      watcher.unread.set(key, frame)
      watcher.unreadLength += frame.length
      if (watcher.unread.size > 1 && watcher.unreadLength > maxUnreadLength) endWatcher(watcher)
      else watcher.wake()
    }
  }

  /** Ends all streams, because changes may have been missed: clients reconnect and read the list again. */
  end(): void {
    for (const watcher of this.#watchers) endWatcher(watcher)
  }

  /**
   * Resolves once no change is missed any more, with batches of SSE text. The iterable ends if its reader is too slow, or
   * when changes were missed.
   */
  async watch(filter: ChangeFilter, signal: AbortSignal): Promise<AsyncIterable<SseText>> {
    const watcher: Watcher = { filter, unread: new Map(), unreadLength: 0, ended: false, wake: () => {} }
    this.#watchers.add(watcher)
    if (this.#watchers.size === 1) this.#listening = this.#setWatching(true)
    try {
      await this.#listening
    } catch (error) {
      this.#remove(watcher)
      throw error
    }
    return this.#read(watcher, signal)
  }

  #remove(watcher: Watcher): void {
    this.#watchers.delete(watcher)
    if (this.#watchers.size === 0) void this.#setWatching(false)
  }

  async *#read(watcher: Watcher, signal: AbortSignal): AsyncGenerator<SseText> {
    const onAbort = () => watcher.wake()
    signal.addEventListener('abort', onAbort)
    try {
      while (!signal.aborted && !watcher.ended) {
        const { unread } = watcher
        if (unread.size > 0) {
          watcher.unread = new Map()
          watcher.unreadLength = 0
          yield { text: [...unread.values()].join(''), count: unread.size }
          await sleep(batchMs, undefined, { signal }).catch(() => {})
        } else {
          await new Promise<void>((resolve) => {
            watcher.wake = resolve
          })
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#remove(watcher)
    }
  }
}

/** Its reader may be stuck for as long as its connection lives, and must not hold what it will never read. */
function endWatcher(watcher: Watcher): void {
  watcher.ended = true
  watcher.unread = new Map()
  watcher.unreadLength = 0
  watcher.wake()
}

function passes({ type, taskType, labels }: TaskChange, filter: ChangeFilter): boolean {
  if (type === 'progress_update' && !filter.progress) return false
  if (filter.type !== undefined && filter.type !== taskType) return false
  return filter.labels.every((label) => hasLabel(labels, label))
}

function hasLabel(labels: Labels | undefined, label: string): boolean {
  const colon = label.indexOf(':')
  const key = label.slice(0, colon)
  return labels !== undefined && Object.hasOwn(labels, key) && labels[key] === label.slice(colon + 1)
}

function frameOf({ taskId, taskType, type, at, data }: TaskChange): string {
  const timestamp = new Date(at).toISOString()
  return `event: ${type}\ndata: {"taskId":"${taskId}","type":"${type}","taskType":"${taskType}","timestamp":"${timestamp}","data":${data}}\n\n`
}
