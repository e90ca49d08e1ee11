import type { TaskSearch } from '../engine.ts'
import { epoch, positionsPerMs } from '../task-id.ts'
import type { Store } from './store.ts'

/** What a search reads between two of its pauses: some hundred microseconds. */
const readsPerTurn = 200
const chunk = 100

/**
 * The positions of the newest `limit` tasks before `before` that a search is for. Each type and status, and each label with
 * these, is a stretch of an index in the order of acceptance; what is newest is at the end of one of them. Yields where the
 * thread may answer others.
 */
export function* searchStore(
  store: Store,
  { statuses, type, labels, createdBefore, createdAfter, except }: TaskSearch,
  before: number,
  limit: number
): Generator<void, number[]> {
  // A position is never before its task's creation, and after it if the clock was set back: `createdBefore` misses tasks that
  // were accepted before the clock had caught up.
  const end = createdBefore === undefined ? before : Math.min(before, positionAt(createdBefore))
  const start = createdAfter === undefined ? 0 : positionAt(createdAfter)
  const isWanted = (seq: number) => {
    if (createdAfter === undefined && createdBefore === undefined && except === undefined) return true
    const task = store.searched(seq)
    if (!task) return false
    if (except === 'cancelling' && task.cancel_requested) return false
    if (except === 'retried' && task.retried_as !== null) return false
    if (createdBefore !== undefined && task.created_at >= createdBefore) return false
    return createdAfter === undefined || task.created_at > createdAfter
  }

  const types = type === undefined ? store.types(labels[0]) : [type]
  let found: number[] = []
  let reads = 0
  for (const oneType of types) {
    for (const status of statuses) {
      // What is older than all that was found elsewhere is not needed.
      const oldest = Math.max(start, found.length < limit ? 0 : (found.at(-1) ?? 0))
      let count = 0
      for (const seq of stretch(store, labels, oneType, status, end, Math.min(chunk, limit))) {
        if (++reads % readsPerTurn === 0) yield
        if (seq === undefined) continue
        if (seq <= oldest || count === limit) break
        if (!isWanted(seq)) continue
        found.push(seq)
        count++
      }
      // A task that changes meanwhile is found in two stretches.
      if (count > 0) found = [...new Set(found)].sort((a, b) => b - a).slice(0, limit)
    }
  }
  return found
}

/** Newest first; undefined for a step that found nothing. */
function* stretch(
  store: Store,
  labels: readonly string[],
  type: string,
  status: TaskSearch['statuses'][number],
  before: number,
  size: number
): Generator<number | undefined> {
  const [first, ...others] = labels
  if (others.length === 0) {
    for (let end = before; ; ) {
      const some = store.newest(first, type, status, end, size)
      for (const { seq } of some) yield seq
      const last = some.at(-1)
      if (last === undefined || some.length < size) return
      end = last.seq
    }
  }
  // Each label leaps to where the others are, so that the rarest of them sets the pace.
  const newest = (label: string | undefined, end: number) => store.newest(label, type, status, end, 1)[0]?.seq
  for (let end = before; ; ) {
    let seq = newest(first, end)
    if (seq === undefined) return
    for (const label of others) {
      const other = newest(label, seq + 1)
      if (other === undefined) return
      if (other === seq) continue
      seq = undefined
      end = other + 1
      break
    }
    if (seq !== undefined) end = seq
    yield seq
  }
}

const positionAt = (time: number) => (time - epoch) * positionsPerMs
