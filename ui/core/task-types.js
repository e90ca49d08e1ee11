import { useEffect } from '../vendor/preact.js'
import { call } from './api.js'
import { createStore, useStore } from './store.js'

/** @typedef {import('../../src/task.ts').TaskTypeInfo & { inputSchema: any, outputSchema?: any }} TaskType */

/** Read once: they do not change while the process lives. */
const types = createStore(/** @type {TaskType[] | undefined} */ (undefined))

export function useTaskTypes() {
  const known = useStore(types)
  useEffect(() => {
    if (!types.value) call('GET', 'api/task-types').then(types.set, () => {})
  }, [])
  return known
}
