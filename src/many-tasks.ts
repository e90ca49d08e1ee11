import type { Engine, TaskSearch } from './engine.ts'
import { TaskError } from './errors.ts'
import type { ManyDone, TaskFilter, TaskStatus } from './task.ts'

// Tasks in one step, which takes an engine a few milliseconds.
const slice = 100

/** The search for a filter, limited to the statuses in `among`. @throws FILTER_EMPTY */
export function toSearch(
  { status, type, labels = {}, createdBefore, createdAfter }: TaskFilter,
  among: readonly TaskStatus[],
  except?: TaskSearch['except']
): TaskSearch {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}:${value}`)
  const conditions = [status, type, createdBefore, createdAfter, ...pairs]
  if (conditions.every((condition) => condition === undefined)) throw new TaskError('FILTER_EMPTY')
  return {
    statuses: among.filter((one) => status === undefined || one === status),
    labels: pairs,
    ...(type !== undefined && { type }),
    ...(createdBefore !== undefined && { createdBefore: Date.parse(createdBefore) }),
    ...(createdAfter !== undefined && { createdAfter: Date.parse(createdAfter) }),
    ...(except && { except })
  }
}

/**
 * Acts on the tasks that a search finds, newest first, in slices that do not hold up other work. `act` resolves with how many
 * tasks it changed, and with the error if it cannot continue.
 */
export async function actOnMany(
  engine: Engine,
  search: TaskSearch,
  limit: number,
  act: (taskIds: string[]) => Promise<{ count: number; full?: TaskError }>
): Promise<ManyDone> {
  let done = 0
  for (let from: string | undefined; ; ) {
    const found = await engine.search(search, Math.min(slice, limit - done), from)
    if (found.taskIds.length > 0) {
      const { count, full } = await act(found.taskIds)
      done += count
      if (full && done === 0) throw full
      if (full) return { done, more: true }
    }
    if (found.next === undefined) return { done, more: false }
    from = found.next
    if (done >= limit) return { done, more: (await engine.search(search, 1, from)).taskIds.length > 0 }
  }
}
