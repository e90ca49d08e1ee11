/** A list of tasks as the API has it, kept up to date by what happens to them. */
import { call } from './api.js'
import { createStore } from './store.js'

/** @typedef {import('../../src/task.ts').TaskSummary} Task */
/** @typedef {import('./live.js').Change} Change */
/** @typedef {{ status?: string, type?: string, label?: string[] }} Query */
/**
 * @typedef {object} ListState
 * @property {Task[]} tasks newest first
 * @property {string | undefined} nextCursor where older ones are
 * @property {boolean} loaded
 * @property {boolean} loading
 * @property {Error | undefined} error of the latest read
 * @property {number} newer how many have come since the first page was read, while older ones are looked at
 */

// While much happens a list is read again this often, and less and less so.
const firstGapMs = 1_000
const longestGapMs = 4_000

const finals = { task_completed: 'completed', task_failed: 'failed', task_cancelled: 'cancelled' }

export class TaskList {
  /** @type {import('./store.js').Store<ListState>} */
  state = createStore({
    tasks: [],
    nextCursor: undefined,
    loaded: false,
    loading: false,
    error: undefined,
    newer: 0
  })
  #query
  #limit
  #closed = false
  #stale = false
  #reading = false
  #gapMs = firstGapMs
  #pages = 1
  /** @type {number | undefined} */
  #timer

  /**
   * @param {Query} query
   * @param {number} limit of a page
   */
  constructor(query, limit) {
    this.#query = query
    this.#limit = limit
  }

  close() {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  /** Reads the newest tasks; what was read of older ones goes. */
  async reload() {
    this.#stale = false
    this.#pages = 1
    await this.#read(undefined)
  }

  /** Reads what is shown again, however far back that goes, after something may have been missed. */
  async refresh() {
    const pages = this.#pages
    await this.reload()
    while (this.#pages < pages && this.state.value.nextCursor && !this.state.value.error && !this.#closed) {
      const before = this.#pages
      await this.more()
      if (this.#pages === before) return
    }
  }

  /** Reads older tasks. The first page stays as it is from then on, so that no task is missed or seen twice. */
  async more() {
    if (this.#reading) return
    // What has come since may have pushed tasks out of the first page, which its cursor is behind.
    if (this.#pages === 1 && this.#stale) await this.reload()
    const { nextCursor, error } = this.state.value
    if (nextCursor === undefined || error) return
    this.#pages++
    await this.#read(nextCursor)
  }

  /** @param {readonly Change[]} changes */
  apply(changes) {
    const { tasks } = this.state.value
    const places = new Map(tasks.map((task, index) => [task.taskId, index]))
    /** @type {Task[] | undefined} */
    let changed
    /** @type {Set<string>} */
    const gone = new Set()
    /** @type {Map<string, Task>} */
    const come = new Map()
    let arrived = 0
    for (const change of changes) {
      const { taskId } = change
      const place = places.get(taskId)
      if (place === undefined) {
        if (change.type === 'progress_update' || !this.#mayBelong(change)) continue
        const stub = this.#stubOf(change)
        if (stub) come.set(taskId, stub)
        else come.delete(taskId)
        if (statusAfter(change) === 'pending' || this.#query.status) arrived++
      } else {
        changed ??= [...tasks]
        const task = patch(/** @type {Task} */ (changed[place]), change)
        changed[place] = task
        if (this.#query.status && task.status !== this.#query.status) gone.add(taskId)
        else gone.delete(taskId)
      }
    }
    const kept = gone.size > 0 ? (changed ?? tasks).filter(({ taskId }) => !gone.has(taskId)) : changed
    if (this.#pages === 1) {
      if (kept || come.size > 0)
        this.#set({ tasks: [...come.values(), ...(kept ?? tasks)].slice(0, this.#limit) })
      if (arrived > 0 || gone.size > 0) this.#readSoon()
    } else if (kept || arrived > 0) {
      this.#set({ tasks: kept ?? tasks, newer: this.state.value.newer + arrived })
    }
  }

  /**
   * A task that has just begun to belong to a list of one status can be shown before the list is read again.
   * @param {Change} change
   * @returns {Task | undefined}
   */
  #stubOf(change) {
    if (this.#query.status !== statusAfter(change)) return
    const { taskId, taskType, timestamp } = change
    return patch(
      {
        taskId,
        type: taskType,
        status: 'pending',
        progress: { value: 0, text: '' },
        attempt: 0,
        priority: 0,
        createdAt: createdAt(taskId) ?? timestamp
      },
      change
    )
  }

  /** @param {Change} change */
  #mayBelong(change) {
    return !this.#query.status || this.#query.status === statusAfter(change)
  }

  #readSoon() {
    this.#stale = true
    if (this.#timer !== undefined || this.#reading || this.#closed) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.reload()
    }, 0)
  }

  /** @param {string | undefined} cursor */
  async #read(cursor) {
    if (this.#reading) {
      this.#stale = true
      return
    }
    this.#reading = true
    this.#set({ loading: true })
    try {
      const query = { ...this.#query, limit: this.#limit, cursor }
      /** @type {{ tasks: Task[], nextCursor?: string }} */
      const page = await call('GET', 'api/tasks', { query })
      const { tasks, newer } = this.state.value
      this.#set({
        tasks: cursor === undefined ? page.tasks : [...tasks, ...page.tasks],
        nextCursor: page.nextCursor,
        newer: cursor === undefined ? 0 : newer,
        loaded: true,
        loading: false,
        error: undefined
      })
    } catch (error) {
      this.#set({ loading: false, error: /** @type {Error} */ (error) })
    }
    this.#reading = false
    this.#rest()
  }

  /** Leaves the service alone for a while, then reads again if something has happened meanwhile. */
  #rest() {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#gapMs = this.#stale ? Math.min(longestGapMs, this.#gapMs * 1.5) : firstGapMs
      if (this.#stale && this.#pages === 1) void this.reload()
    }, this.#gapMs)
  }

  /** @param {Partial<ListState>} change */
  #set(change) {
    if (!this.#closed) this.state.set({ ...this.state.value, ...change })
  }
}

/**
 * @param {Change} change
 * @returns {Task['status'] | undefined}
 */
function statusAfter({ type }) {
  if (type === 'task_started') return 'running'
  if (type === 'task_accepted' || type === 'task_requeued') return 'pending'
  return /** @type {any} */ (finals)[type]
}

/**
 * The task after a change.
 * @param {Task} task
 * @param {Change} change
 * @returns {Task}
 */
export function patch(task, change) {
  const { type, timestamp, data } = change
  const status = statusAfter(change) ?? task.status
  switch (type) {
    case 'progress_update':
      return { ...task, progress: data }
    case 'task_accepted':
      return { ...task, ...(data.runAt && { runAt: data.runAt }) }
    case 'task_started':
      return { ...task, status, startedAt: timestamp, attempt: data.attempt }
    case 'task_failed':
      return { ...task, status, endedAt: timestamp, error: data }
    case 'task_cancelled':
      return { ...task, status, endedAt: timestamp, cancelReason: data.reason }
    case 'task_completed':
      return { ...task, status, endedAt: timestamp, progress: { ...task.progress, value: 1 } }
    default:
      return { ...task, status }
  }
}

/**
 * A UUIDv7 begins with the milliseconds at which it was made.
 * @param {string} taskId
 */
function createdAt(taskId) {
  const ms = Number.parseInt(taskId.replace('-', '').slice(0, 12), 16)
  return Number.isFinite(ms) ? new Date(ms).toISOString() : undefined
}
