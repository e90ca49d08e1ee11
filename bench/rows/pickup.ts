import { setTimeout as sleep } from 'node:timers/promises'
import { startInProcess } from '../in-process.ts'
import { type Contender, quantile, type Row } from '../measure.ts'
import { selfMeasured, withRedis } from '../peer.ts'

const lastcall: Contender = {
  name: 'lastcall',
  async setUp() {
    let started: (at: number) => void = () => {}
    const { tasks, close } = await startInProcess(() => started(performance.now()))
    return {
      async measure(seconds) {
        const until = performance.now() + seconds * 1000
        const times: number[] = []
        while (performance.now() < until) {
          const running = new Promise<number>((resolve) => {
            started = resolve
          })
          const acceptedAt = performance.now()
          await tasks.startTask({ type: 'inline', input: {} })
          times.push((await running) - acceptedAt)
          await sleep(10)
        }
        return { 'p50 ms': quantile(times, 0.5), 'p99 ms': quantile(times, 0.99) }
      },
      close
    }
  }
}

export const pickupRow: Row = {
  title: 'pickup, idle: accept → the task runs, its start durable',
  contenders: [
    lastcall,
    ...withRedis([
      selfMeasured('BullMQ, everysec, add → active', {
        program: 'bullmq',
        question: { what: 'pickup' },
        bars: { 'p50 ms': { max: 0.5 } }
      })
    ])
  ]
}
