import type { TaskChange } from './engine.ts'
import type { Labels } from './task.ts'

/** Which changes somebody watches; left out, all of them but progress. */
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
  /** What was not taken yet, each as it is written; the latest progress of a task alone. */
  unread: Map<string, string>
  unreadLength: number
  ended: boolean
  wake: () => void
}

// What a viewer that reads slowly, or not at all, may cost. A result has a mebibyte at most.
const maxUnreadLength = 4 * 1024 * 1024

/** Hands what happens to all tasks to those who watch, live: what they miss they find in the list. */
export class TaskChanges {
  readonly #watchers = new Set<Watcher>()
  readonly #setWatching: (watching: boolean) => Promise<void>
  #listening: Promise<void> = Promise.resolve()
  #count = 0

  /** `setWatching` is called when the first watcher comes and when the last one has left. */
  constructor(setWatching: (watching: boolean) => Promise<void>) {
    this.#setWatching = setWatching
  }

  publish(change: TaskChange): void {
    const isProgress = change.type === 'progress_update'
    const key = isProgress ? change.taskId : String(++this.#count)
    let frame: string | undefined
    for (const watcher of this.#watchers) {
      if (!passes(change, watcher.filter)) continue
      frame ??= frameOf(change)
      // What follows an unread progress must not be overtaken by a later one.
      const older = watcher.unread.get(key)
      if (older !== undefined) {
        watcher.unread.delete(key)
        watcher.unreadLength -= older.length
      }
      watcher.unread.set(key, frame)
      watcher.unreadLength += frame.length
      if (watcher.unread.size > 1 && watcher.unreadLength > maxUnreadLength) watcher.ended = true
      watcher.wake()
    }
  }

  /** Ends all watchers, because something may have gone by unseen: they come back and read the list again. */
  end(): void {
    for (const watcher of this.#watchers) {
      watcher.ended = true
      watcher.wake()
    }
  }

  /**
   * Resolves when nothing is missed any more, with SSE text, as much as has gathered since the last. It ends for a reader
   * that is too slow, or when changes were missed.
   */
  async watch(filter: ChangeFilter, signal: AbortSignal): Promise<AsyncIterable<SseText>> {
    const watcher: Watcher = { filter, unread: new Map(), unreadLength: 0, ended: false, wake: () => {} }
    this.#watchers.add(watcher)
    if (this.#watchers.size === 1) this.#listening = this.#setWatching(true)
    try {
      await this.#listening
    } catch (error) {
      this.#leave(watcher)
      throw error
    }
    return this.#read(watcher, signal)
  }

  #leave(watcher: Watcher): void {
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
        } else {
          await new Promise<void>((resolve) => {
            watcher.wake = resolve
          })
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#leave(watcher)
    }
  }
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
