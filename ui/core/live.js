/** What happens to all tasks, live. */

import { watchStatus } from './status.js'
import { createStore } from './store.js'
import { followStream } from './stream.js'

/**
 * @typedef {object} Change an event of `GET /api/events`
 * @property {string} taskId
 * @property {string} type
 * @property {string} taskType
 * @property {string} timestamp
 * @property {any} data
 */
/** @typedef {{ onOpen: () => void, onChanges: (changes: Change[]) => void }} Listener */

/** Whether changes arrive; undefined while no view asks for them. */
export const connected = createStore(/** @type {boolean | undefined} */ (undefined))

// A page that nobody looks at costs the service nothing, once it is clear that nobody does.
const hiddenMs = 10_000

/** @type {Set<Listener>} */
const listeners = new Set()
/** @type {{ type?: string, label?: string[] }} */
let filter = {}
/** @type {(() => void) | undefined} */
let close

function open() {
  connected.set(false)
  close = followStream({
    path: () => 'api/events',
    query: () => ({ ...filter, progress: true }),
    onOpen() {
      connected.set(true)
      for (const { onOpen } of listeners) onOpen()
    },
    onEvents(events) {
      for (const { data } of events) changes.push(data)
      drawSoon()
    },
    onClose() {
      connected.set(false)
      // It may be the first to know that the service is gone.
      void watchStatus()
    }
  })
}

/** What has come since the page was drawn last. @type {Change[]} */
let changes = []
let isDrawing = false

/** However much happens, drawing it leaves three quarters of the time to what the reader does. */
function drawSoon() {
  if (isDrawing || changes.length === 0) return
  isDrawing = true
  const startedAt = performance.now()
  const come = changes
  changes = []
  for (const { onChanges } of listeners) onChanges(come)
  requestAnimationFrame(() => setTimeout(() => setTimeout(drawn, 3 * (performance.now() - startedAt))))
}

function drawn() {
  isDrawing = false
  drawSoon()
}

function shut() {
  close?.()
  close = undefined
  changes = []
  connected.set(undefined)
}

/**
 * Follows the tasks of a type and of labels; `onOpen` whenever something may have been missed. Returns what ends it.
 * @param {{ type?: string, label?: string[] }} wanted
 * @param {Listener} listener
 */
export function followChanges(wanted, listener) {
  listeners.add(listener)
  if (!close || JSON.stringify(wanted) !== JSON.stringify(filter)) {
    filter = wanted
    shut()
    if (!document.hidden) open()
  } else if (connected.value) listener.onOpen()
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) shut()
  }
}

/** @type {number | undefined} */
let hiddenTimer
document.addEventListener('visibilitychange', () => {
  clearTimeout(hiddenTimer)
  if (document.hidden) hiddenTimer = setTimeout(shut, hiddenMs)
  else if (listeners.size > 0 && !close) open()
})
