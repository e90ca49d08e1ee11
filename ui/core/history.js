/** The last half hour, put together from what each pod says that it did: a load balancer lets several answer. */
import { createStore } from './store.js'

/** @typedef {{ endedAt: number, started: number, finished: number, failed: number, waiting: number | null }} Step */

const stepMs = 10_000
const stepCount = 180

/** @type {Map<string, Step[]>} */
const byPod = new Map()

/** All pods' steps by time, newest last. */
export const steps = createStore(/** @type {Step[]} */ ([]))
export const podNames = createStore(/** @type {string[]} */ ([]))

/**
 * Adds what a pod told, and says when its newest step ended.
 * @param {string} pod
 * @param {Step[]} told
 */
export function remember(pod, told) {
  const known = byPod.get(pod) ?? []
  const newestKnown = known.at(-1)?.endedAt ?? 0
  const news = told.filter(({ endedAt }) => endedAt > newestKnown)
  const all = [...known, ...news].slice(-stepCount)
  if (!byPod.has(pod) || news.length > 0) {
    byPod.set(pod, all)
    podNames.set([...byPod.keys()])
    steps.set(merge())
  }
  return all.at(-1)?.endedAt ?? 0
}

function merge() {
  /** @type {Map<number, Step>} */
  const merged = new Map()
  for (const step of [...byPod.values()].flat()) {
    const endedAt = Math.round(step.endedAt / stepMs) * stepMs
    const other = merged.get(endedAt)
    merged.set(endedAt, {
      endedAt,
      started: step.started + (other?.started ?? 0),
      finished: step.finished + (other?.finished ?? 0),
      failed: step.failed + (other?.failed ?? 0),
      // They share one queue.
      waiting: step.waiting ?? other?.waiting ?? null
    })
  }
  return [...merged.values()].sort((a, b) => a.endedAt - b.endedAt).slice(-stepCount)
}
