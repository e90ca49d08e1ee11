import { setTimeout as sleep } from 'node:timers/promises'
import { maxWaitMs } from './jobs.ts'
import { retryMs, type Worker } from './worker.ts'

/** Claims tasks whenever there are free slots and work for them, until the worker is stopped. */
export async function fetchLoop(worker: Worker): Promise<void> {
  const { slots, jobs, availability } = worker
  const free = () => (worker.claiming ? slots.free : 0)
  while (!worker.stopped) {
    const count = free()
    if (count === 0) {
      await slots.changed()
      continue
    }
    try {
      await availability.usable()
      const { claims } = await worker.claim(count, async () => ({
        claims: await jobs.claim({ count, capacity: slots.capacity })
      }))
      if (claims.claimed.length === count) continue
      if (claims.full) {
        await jobs.wakeAnother()
        await sleep(retryMs)
        continue
      }
      const mayBeWork = await jobs.waitForWork(Math.min(claims.nextInMs || maxWaitMs, maxWaitMs))
      if (mayBeWork && free() === 0) await jobs.wakeAnother()
    } catch {
      await sleep(retryMs)
    }
  }
}
