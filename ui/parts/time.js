import { now, useNow } from '../core/clock.js'
import { createStore, useStore } from '../core/store.js'
import { html, useMemo } from '../vendor/preact.js'

const key = 'lastcall.exactTimes'

/** Whether times are shown as they are, not as what has passed since; the reader's choice. */
export const exactTimes = createStore(localStorage.getItem(key) === 'true')

/** @param {boolean} exact */
export function showExactTimes(exact) {
  localStorage.setItem(key, String(exact))
  exactTimes.set(exact)
}

const exactFormat = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'medium',
  timeStyle: 'long'
})
const clockFormat = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3
})
const dayFormat = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' })
const shortFormat = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit'
})

/** @param {number} seconds */
export function formatDuration(seconds) {
  if (seconds < 0.0095) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 1) return `${Math.round(seconds * 100) * 10} ms`
  if (seconds < 60) return `${seconds < 10 ? Math.floor(seconds * 10) / 10 : Math.floor(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} days`
}

/**
 * How long ago, or in how long; whole units, since they count on before the reader's eyes.
 * @param {number} ms
 */
function formatAge(ms) {
  const seconds = Math.abs(ms) / 1000
  if (seconds < 60) return `${Math.floor(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} days`
}

/** Formatting takes longer than all else in a row. @param {string} at */
const useExact = (at) => useMemo(() => exactFormat.format(new Date(at)), [at])

/** @param {Date} date */
function formatExact(date) {
  const isToday = date.toDateString() === new Date(now()).toDateString()
  return isToday ? shortFormat.format(date) : `${dayFormat.format(date)}, ${shortFormat.format(date)}`
}

/**
 * A moment: what has passed since, or how long it is until then.
 * @param {{ at: string }} props
 */
export function Ago({ at }) {
  const ms = useNow() - Date.parse(at)
  const exact = useStore(exactTimes)
  const title = useExact(at)
  const age = ms < -500 ? `in ${formatAge(ms)}` : `${formatAge(Math.max(0, ms))} ago`
  return html`<time datetime=${at} title=${exact ? age : title}>
    ${exact ? formatExact(new Date(at)) : age}
  </time>`
}

/**
 * How long something has lasted that began then.
 * @param {{ from: string }} props
 */
export function Elapsed({ from }) {
  const ms = Math.max(0, useNow() - Date.parse(from))
  const exact = useStore(exactTimes)
  const title = useExact(from)
  return html`<time datetime=${from} title=${`since ${title}`}>
    ${exact ? `since ${formatExact(new Date(from))}` : formatAge(ms)}
  </time>`
}

/**
 * A moment to the millisecond, as where one thing is compared with the next.
 * @param {{ at: string, day?: boolean }} props
 */
export function Exact({ at, day = false }) {
  const date = new Date(at)
  return html`<time datetime=${at} title=${exactFormat.format(date)}>
    ${day ? `${dayFormat.format(date)}, ` : ''}${clockFormat.format(date)}
  </time>`
}
