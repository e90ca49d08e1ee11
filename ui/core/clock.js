/** The time as the service has it: ages must not depend on how the reader's clock is set. */
import { createStore, useStore } from './store.js'

const ticks = createStore(Date.now())
let offsetMs = 0
let bestRoundTripMs = Number.POSITIVE_INFINITY
/** @type {number | undefined} */
let stoppedAt

/** Milliseconds since the epoch, by the clock of the service; stands still while it does not answer. */
export const now = () => stoppedAt ?? Date.now() + offsetMs

/**
 * The service said what time it was, in an answer that took so long.
 * @param {number} time
 * @param {number} roundTripMs
 */
export function setServerTime(time, roundTripMs) {
  // The quickest answer says it best, but one from long ago says nothing about a clock that was set since.
  bestRoundTripMs *= 1.05
  if (roundTripMs > bestRoundTripMs) return
  bestRoundTripMs = roundTripMs
  offsetMs = time + roundTripMs / 2 - Date.now()
}

/** What is on the page is not true any more: its ages must not go on as if it were. */
export function stopClock() {
  stoppedAt ??= now()
  ticks.set(now())
}

export function startClock() {
  stoppedAt = undefined
  ticks.set(now())
}

setInterval(() => ticks.set(now()), 1000)

/** The time, in a component that is drawn again each second. */
export const useNow = () => useStore(ticks)
