import type { Engine, TaskSearch } from './engine.ts'
import { TaskError } from './errors.ts'
import type { ManyDone, TaskFilter, TaskStatus } from './task.ts'

// What one step of an operation on many tasks takes: a few milliseconds of an engine.
const slice = 100

/** FILTER_EMPTY. Nothing is searched for in a status that `among` does not have. */
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
 * Acts on tasks that a search finds, newest first, in slices that hold nothing up. `act` says to how many it did, and why it
 * cannot go on, if so.
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
