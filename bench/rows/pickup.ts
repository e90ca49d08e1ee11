import { setTimeout as sleep } from 'node:timers/promises'
import { startInProcess } from '../in-process.ts'
import { type Contender, quantile, type Row } from '../measure.ts'
import { selfMeasured, withRedis } from '../peer.ts'

const lastcall = (onLost: 'fail' | 'requeue'): Contender => ({
  name: 'lastcall',
  async setUp() {
    let started: (at: number) => void = () => {}
    const { tasks, close } = await startInProcess(() => started(performance.now()), onLost)
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
})

const pickupRow = (title: string, onLost: 'fail' | 'requeue'): Row => ({
  title,
  contenders: [
    lastcall(onLost),
    ...withRedis([
      selfMeasured('BullMQ, everysec, add → active', {
        program: 'bullmq',
        question: { what: 'pickup' },
        targets: { 'p50 ms': { max: 0.5 } }
      })
    ])
  ]
})

export const pickupRows: Row[] = [
  // As with BullMQ, whose jobs run again when their worker dies.
  pickupRow('pickup, idle: accept → a task runs that may run again', 'requeue'),
  pickupRow('pickup, idle: accept → a task runs that must not, its start durable', 'fail')
]
