import { setTimeout as sleep } from 'node:timers/promises'
import { Connection, getText, startTask } from '../connection.ts'
import { type Contender, quantile, type Row } from '../measure.ts'
import { startLastcall } from '../program.ts'

const probe = getText('/healthz')

function contender(name: string, spinning: number): Contender {
  return {
    name,
    async setUp() {
      const program = await startLastcall({ MAX_WORKERS: '2' })
      const connection = new Connection(program.port)
      for (let n = 0; n < spinning; n++) await startTask(connection, 'spin', {})
      return {
        async measure(seconds) {
          const until = performance.now() + seconds * 1000
          const times: number[] = []
          while (performance.now() < until) {
            const askedAt = performance.now()
            await connection.request(probe)
            times.push(performance.now() - askedAt)
            await sleep(5)
          }
          return { 'p50 ms': quantile(times, 0.5), 'p99 ms': quantile(times, 0.99) }
        },
        async close() {
          connection.close()
          return program.stop()
        }
      }
    }
  }
}

export const busyProbes: Row = {
  title: '/healthz while 2 processes spin',
  contenders: [contender('lastcall, 2 processes at 100 %', 2)],
  limits: { 'p99 ms': { max: 50 } }
}

export const idleProbes: Row = {
  title: '/healthz while nothing runs',
  contenders: [contender('lastcall, idle', 0)]
}
