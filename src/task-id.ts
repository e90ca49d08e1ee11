import { randomUUID } from 'node:crypto'

/** Epoch milliseconds that positions count from; they are safe integers until 2089. */
export const epoch = Date.UTC(2020, 0)
export const positionsPerMs = 4096
const form = /^([0-9a-f]{8})-([0-9a-f]{4})-7([0-9a-f]{3})-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** The position of a task that is created at `now` (epoch milliseconds): after `last`, even if the clock was set back. */
export function nextPosition(last: number, now: number): number {
  return Math.max(last + 1, (now - epoch) * positionsPerMs)
}

/**
 * A UUIDv7 for a position: its first 60 bits are a time in milliseconds and a counter (RFC 9562, 6.2), the others are
 * random. Node makes v4 alone, from a pool.
 */
export function taskIdAt(position: number): string {
  const time = (Math.floor(position / positionsPerMs) + epoch).toString(16).padStart(12, '0')
  const counter = (position % positionsPerMs).toString(16).padStart(3, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}${randomUUID().slice(18)}`
}

/** The position that an id was made from, or undefined if it is not such an id. */
export function positionOf(taskId: string): number | undefined {
  const [, high, low, counter] = form.exec(taskId) ?? []
  if (counter === undefined) return undefined
  const position =
    (Number.parseInt(`${high}${low}`, 16) - epoch) * positionsPerMs + Number.parseInt(counter, 16)
  return Number.isSafeInteger(position) && position > 0 ? position : undefined
}

/** An id for a store that many processes share, without positions: a time and random bits. */
export function newTaskId(): string {
  return taskIdAt((Date.now() - epoch) * positionsPerMs + Math.floor(Math.random() * positionsPerMs))
}
