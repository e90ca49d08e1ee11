/** One task: its record, and its events from the first to the last. */
import { ApiError, call } from './api.js'
import { watchStatus } from './status.js'
import { createStore } from './store.js'
import { followStream } from './stream.js'
import { patch } from './task-list.js'

/** @typedef {import('../../src/task.ts').TaskRecord} TaskRecord */
/** @typedef {{ id: string, type: string, timestamp: string, data: any }} StoryEvent */
/**
 * @typedef {object} Story
 * @property {TaskRecord | undefined} task
 * @property {StoryEvent[]} events what changed its state
 * @property {StoryEvent[]} log its progress
 * @property {Error | undefined} error
 * @property {boolean} gone
 * @property {boolean} following
 */

// As many as the service keeps of a task.
const keptLog = 1_000
const finals = new Set(['task_completed', 'task_failed', 'task_cancelled'])

/** @param {string} taskId */
export function followTask(taskId) {
  const story = createStore(
    /** @type {Story} */ ({
      task: undefined,
      events: [],
      log: [],
      error: undefined,
      gone: false,
      following: false
    })
  )
  const path = `api/tasks/${taskId}`
  const set = (/** @type {Partial<Story>} */ change) => story.set({ ...story.value, ...change })
  let lastEventId = ''

  let reading = false
  let stale = false

  /** One at a time: an answer that was overtaken by a later one would put the task back to what it was. */
  async function read() {
    if (reading) {
      stale = true
      return
    }
    reading = true
    do {
      stale = false
      try {
        set({ task: await call('GET', path, { query: { include: 'input' } }), error: undefined, gone: false })
      } catch (error) {
        const isGone = error instanceof ApiError && error.status === 404
        set(isGone ? { gone: true } : { error: /** @type {Error} */ (error) })
      }
    } while (stale)
    reading = false
  }

  /** @param {import('./sse.js').ServerEvent[]} arrived */
  function apply(arrived) {
    let { task, events, log } = story.value
    let changed = false
    for (const { id = '', data: message } of arrived) {
      const { type, timestamp } = message
      // The result is in the record.
      const event = { id, type, timestamp, data: type === 'task_completed' ? undefined : message.data }
      if (type === 'progress_update') log = [...log, event]
      else {
        events = [...events, event]
        changed = true
      }
      if (task && timestamp >= (task.startedAt ?? '')) task = { ...task, ...patch(task, message) }
      lastEventId = id
    }
    set({ task, events, log: log.slice(-keptLog) })
    // Attempts, times and the result are in the record alone.
    if (changed) void read()
  }

  void read()
  const stop = followStream({
    path: () => `${path}/stream`,
    headers: () =>
      lastEventId ? { 'last-event-id': lastEventId } : /** @type {Record<string, string>} */ ({}),
    onOpen: () => set({ following: true }),
    onEvents: apply,
    onClose() {
      set({ following: false })
      if (!isOver()) {
        void watchStatus()
        void read()
      }
    },
    isFinal: (error) => error instanceof ApiError && error.status === 404
  })
  const isOver = () => finals.has(story.value.events.at(-1)?.type ?? '')

  return { story, read, stop }
}
