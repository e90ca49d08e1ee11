/** What the service says of itself each second, and whether it says anything at all. */
import { ApiError, request } from './api.js'
import { setServerTime, startClock, stopClock } from './clock.js'
import { remember } from './history.js'
import { createStore } from './store.js'
import { access } from './tokens.js'

/**
 * @typedef {object} Status what `ui/status.json` answers
 * @property {'ok' | 'draining' | 'starting' | 'task service unhealthy'} status
 * @property {Record<string, { ok: boolean, detail?: string }>} checks
 * @property {number} activeTasks
 * @property {boolean} draining
 * @property {number | null} pendingTasks
 * @property {number | null} scheduledTasks
 * @property {string} pod
 * @property {string} version
 * @property {number} time
 * @property {'serving' | 'delaying' | 'draining' | 'cancelling' | 'closed'} phase
 * @property {string | null} reason
 * @property {string | null} since
 * @property {string | null} deadline
 * @property {number} shutdownTimeoutSeconds
 * @property {number} maxWorkers
 * @property {boolean} shared
 * @property {boolean} adminEnabled
 * @property {import('./history.js').Step[]} history
 */

const everyMs = 900
const silentMs = 1_700

/** The latest answer. */
export const status = createStore(/** @type {Status | undefined} */ (undefined))

/** Why and since when there is none; undefined while there is one, or none was asked for yet. */
export const lost = createStore(/** @type {{ since: Date, detail: string } | undefined} */ (undefined))

let heardAt = performance.now()
let failures = 0

/** @param {string} detail */
function lose(detail) {
  if (lost.value) return
  stopClock()
  lost.set({ since: new Date(), detail })
}

async function poll() {
  const askedAt = performance.now()
  // Not longer: a connection that hangs must not keep the next one from being tried.
  const signal = AbortSignal.timeout(4_000)
  const query = { since: historyKnown() }
  const response = await request('GET', 'ui/status.json', { query, signal })
  /** @type {Status} */
  const answer = await response.json()
  const roundTripMs = performance.now() - askedAt
  heardAt = performance.now()
  failures = 0
  setServerTime(answer.time, roundTripMs)
  // A pod that is new was asked for less than it has.
  const isNew = !pods.has(answer.pod) && query.since > 0
  const newestStep = remember(answer.pod, isNew ? [] : answer.history)
  pods.set(answer.pod, { newestStep: isNew ? 0 : newestStep, heardAt })
  status.set(answer)
  if (lost.value) {
    startClock()
    lost.set(undefined)
  }
}

/** @type {Map<string, { newestStep: number, heardAt: number }>} */
const pods = new Map()

/** What every pod that answered lately has told already, or all pods again if one of them is new. */
function historyKnown() {
  const recent = [...pods.values()].filter((pod) => performance.now() - pod.heardAt < 15_000)
  return recent.length === 0 ? 0 : Math.min(...recent.map(({ newestStep }) => newestStep))
}

/** @type {number | undefined} */
let timer

/** Asks now, and each second from then on while the page is seen. */
export async function watchStatus() {
  clearTimeout(timer)
  let again = everyMs
  try {
    await poll()
  } catch (error) {
    const isRefused = error instanceof ApiError && error.status === 401
    // Once may be a connection that was closed for being idle.
    if (isRefused) heardAt = performance.now()
    else if (++failures > 1) lose(error instanceof Error ? error.message : String(error))
    else again = 100
  }
  clearTimeout(timer)
  if (!document.hidden && access.value === 'open') timer = setTimeout(watchStatus, again)
}

setInterval(() => {
  const asks = !document.hidden && access.value === 'open'
  if (asks && performance.now() - heardAt > silentMs) lose('The service does not answer')
}, 200)

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return
  heardAt = performance.now()
  void watchStatus()
})
access.subscribe(() => {
  if (access.value !== 'open') return
  heardAt = performance.now()
  void watchStatus()
})
