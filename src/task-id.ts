import { randomUUID } from 'node:crypto'

/** A new UUIDv7: ordered by time, so that the index of a store grows at its end. Node makes v4 alone, from a pool. */
export function newTaskId(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
