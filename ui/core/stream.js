import { request } from './api.js'
import { readEvents } from './sse.js'
import { access } from './tokens.js'

const firstWaitMs = 500
const longestWaitMs = 4_000

/**
 * @typedef {object} StreamOptions
 * @property {() => string} path asked for at each connect
 * @property {() => Record<string, any>} [query]
 * @property {() => Record<string, string>} [headers]
 * @property {() => void} [onOpen] what was missed meanwhile is to be read again
 * @property {(events: import('./sse.js').ServerEvent[]) => void} onEvents
 * @property {() => void} [onClose]
 * @property {(error: unknown) => boolean} [isFinal] whether to stay away after this error
 */

/**
 * Reads a stream, and connects again, ever more slowly, when it has ended or cannot be opened. Returns what ends it.
 * @param {StreamOptions} options
 */
export function followStream({ path, query, headers, onOpen, onEvents, onClose, isFinal }) {
  const controller = new AbortController()
  const { signal } = controller
  let failures = 0
  let retryMs = firstWaitMs

  async function once() {
    const response = await request('GET', path(), {
      query: query?.() ?? {},
      headers: headers?.() ?? {},
      signal
    })
    // 204: there is nothing more to come.
    if (response.status === 204 || !response.body) return controller.abort()
    onOpen?.()
    failures = 0
    const onRetry = (/** @type {number} */ ms) => {
      retryMs = ms
    }
    for await (const events of readEvents(response.body, onRetry)) if (!signal.aborted) onEvents(events)
  }

  async function run() {
    while (!signal.aborted) {
      try {
        await once()
      } catch (error) {
        if (signal.aborted || isFinal?.(error)) break
        failures++
      }
      onClose?.()
      if (!signal.aborted) await wait(failures > 0 ? backoff(failures) : retryMs, signal)
      // Asking on without a token would only fill the log.
      if (access.value !== 'open') await granted(signal)
    }
  }

  void run()
  return () => controller.abort()
}

/** @param {number} failures */
function backoff(failures) {
  const ms = Math.min(longestWaitMs, firstWaitMs * 2 ** (failures - 1))
  return ms * (0.75 + Math.random() / 2)
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function wait(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function granted(signal) {
  return new Promise((resolve) => {
    const unsubscribe = access.subscribe(() => access.value === 'open' && done())
    const done = () => {
      unsubscribe()
      resolve()
    }
    signal.addEventListener('abort', done)
  })
}
