import { Connection, getText, postText, readStream, startTasks } from '../connection.ts'
import { fillStore } from '../fill-store.ts'
import { type Contender, quantile, type Row } from '../measure.ts'
import { startLastcall } from '../program.ts'
import { acceptContender, startWithBusySlot, task } from './accept.ts'
import { followEach, contender as noOpContender, waitForEach } from './no-op.ts'

export const waitRow: Row = {
  title: 'start a no-op and learn its end, 64 clients',
  contenders: [
    noOpContender('wait', waitForEach('no-op-inline')),
    { ...noOpContender('stream', followEach('no-op-inline')), targets: { 'CPU µs each': { max: 1 } } }
  ]
}

const batchSize = 1_000

export const batchRow: Row = {
  title: 'accept tasks in batches of 1,000',
  contenders: [
    acceptContender(
      'lastcall, batches, 2 connections',
      () => startWithBusySlot(),
      {},
      {
        connections: 2,
        request: postText('/api/tasks/batch', { tasks: Array.from({ length: batchSize }, () => task) }),
        tasks: batchSize
      }
    ),
    acceptContender('lastcall, one by one, 50 connections', () => startWithBusySlot(), {
      'accepted/s': { min: 5 }
    })
  ]
}

/** The time of pages, each of which begins where the one before ended. */
function pageContender(name: string, query: string, finished: number): Contender {
  return {
    name,
    async setUp() {
      const program = await startLastcall({ TASK_RETENTION: '100000' }, (path) =>
        fillStore(path, finished, 0)
      )
      const connection = new Connection(program.port)
      return {
        async measure(seconds) {
          const until = performance.now() + seconds * 1000
          const times: number[] = []
          let cursor: string | undefined
          while (performance.now() < until) {
            const askedAt = performance.now()
            const from = cursor === undefined ? '' : `&cursor=${cursor}`
            const { status, body } = await connection.request(getText(`/api/tasks?limit=100&${query}${from}`))
            times.push(performance.now() - askedAt)
            if (status !== 200) throw new Error(`a page was answered ${status} ${body}`)
            cursor = JSON.parse(body).nextCursor
          }
          return { 'p50 ms': quantile(times, 0.5) }
        },
        async close() {
          connection.close()
          return program.stop()
        }
      }
    }
  }
}

export const labelRow = (finished: number): Row => ({
  title: `a page of 100 by label, ${finished.toLocaleString('en')} tasks in the store`,
  contenders: [
    pageContender('lastcall, by label', 'label=team:a', finished),
    {
      ...pageContender('lastcall, by type', 'type=no-op-inline', finished),
      targets: { 'p50 ms': { max: 1.2 } }
    }
  ]
})

const tasksPerSecond = 500

/** CPU time while so many operators watch all tasks, of which 500 a second are started. */
function watchedContender(watchers: number): Contender {
  return {
    name: `${watchers} pages open`,
    async setUp() {
      const program = await startLastcall({ MAX_PENDING: '100000000' })
      const open = Array.from({ length: 16 }, () => new Connection(program.port))
      // Each ends with the process.
      for (let n = 0; n < watchers; n++)
        void readStream(program.port, '/api/events', () => {}).catch(() => {})
      return {
        async measure(seconds) {
          const cpuBefore = program.cpuSeconds()
          const startedAt = performance.now()
          await startTasks(open, tasksPerSecond, seconds)
          const tookMs = performance.now() - startedAt
          return { 'CPU, % of a core': ((program.cpuSeconds() - cpuBefore) / (tookMs / 1000)) * 100 }
        },
        async close() {
          for (const connection of open) connection.close()
          return program.stop()
        }
      }
    }
  }
}

export const watchedRow: Row = {
  title: '500 tasks/s while operators watch',
  contenders: [watchedContender(20), watchedContender(1), watchedContender(0)]
}
