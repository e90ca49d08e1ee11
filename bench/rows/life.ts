import { setMaxListeners } from 'node:events'
import { startInProcess } from '../in-process.ts'
import type { Contender, Row } from '../measure.ts'
import { selfMeasured, withRedis } from '../peer.ts'

const inFlight = 64
const input = { part: 'R1', quantity: 10, text: 'x'.repeat(100) }

const lastcall: Contender = {
  name: 'lastcall',
  async setUp() {
    const { tasks, close } = await startInProcess(() => null)
    const { signal } = new AbortController()
    setMaxListeners(inFlight, signal)
    return {
      async measure(seconds) {
        const until = performance.now() + seconds * 1000
        let count = 0
        const loop = async () => {
          while (performance.now() < until) {
            const { taskId } = await tasks.startTask({ type: 'inline', input })
            const events = await tasks.events(taskId, undefined, signal)
            // They end after the final one, which a reader sees when it is durable.
            if (events !== 'ended') for await (const _ of events);
            count++
          }
        }
        const startedAt = performance.now()
        await Promise.all(Array.from({ length: inFlight }, loop))
        return { 'tasks/s': count / ((performance.now() - startedAt) / 1000) }
      },
      close
    }
  }
}

export const lifeRow: Row = {
  title: 'life of an inline no-op, accept → final event durable, 64 in flight, in process',
  contenders: [
    lastcall,
    ...withRedis([
      selfMeasured('BullMQ, everysec, add → completed', {
        program: 'bullmq',
        question: { what: 'life' },
        targets: { 'tasks/s': { min: 2 } }
      })
    ])
  ]
}
