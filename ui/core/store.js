import { useLayoutEffect, useReducer } from '../vendor/preact.js'

/**
 * A value that views are drawn from.
 * @template T
 * @typedef {{ value: T, set(value: T): void, subscribe(listener: () => void): () => void }} Store
 */

/**
 * @template T
 * @param {T} value
 * @returns {Store<T>}
 */
export function createStore(value) {
  /** @type {Set<() => void>} */
  const listeners = new Set()
  return {
    get value() {
      return value
    },
    set(next) {
      if (Object.is(next, value)) return
      value = next
      for (const listener of listeners) listener()
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}

/**
 * The value of a store, in a component that is drawn again when it changes.
 * @template T
 * @param {Store<T>} store
 * @returns {T}
 */
export function useStore(store) {
  const [, redraw] = useReducer(/** @param {number} n */ (n) => n + 1, 0)
  // A layout effect: what changes between the first drawing and an ordinary effect would be missed.
  useLayoutEffect(() => store.subscribe(() => redraw(undefined)), [store])
  return store.value
}
