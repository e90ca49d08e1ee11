import { useEffect, useMemo } from '../vendor/preact.js'
import { followChanges } from './live.js'
import { useStore } from './store.js'
import { TaskList } from './task-list.js'
import { access } from './tokens.js'

/**
 * Lists of tasks that are kept up to date for as long as the component is there.
 * @param {{ type?: string, label?: string[] }} filter of all of them
 * @param {{ status?: string, limit: number }[]} wanted
 * @returns {TaskList[]}
 */
export function useLists(filter, wanted) {
  const key = JSON.stringify([filter, wanted])
  const lists = useMemo(
    () => wanted.map(({ status, limit }) => new TaskList({ ...filter, ...(status && { status }) }, limit)),
    [key]
  )
  const granted = useStore(access) === 'open'
  useEffect(() => {
    if (!granted) return
    const refresh = () => {
      for (const list of lists) void list.refresh()
    }
    // Read once at once, and once more when nothing can be missed any more.
    refresh()
    return followChanges(filter, {
      onOpen: refresh,
      onChanges(changes) {
        for (const list of lists) list.apply(changes)
      }
    })
  }, [key, granted])
  useEffect(
    () => () => {
      for (const list of lists) list.close()
    },
    [key]
  )
  return lists
}
