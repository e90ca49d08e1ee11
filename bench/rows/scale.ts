import { Connection, getText } from '../connection.ts'
import { fillStore } from '../fill-store.ts'
import type { Row, Target } from '../measure.ts'
import { startLastcall } from '../program.ts'
import { acceptContender, startWithBusySlot } from './accept.ts'
import { contender as noOpContender, postAll } from './no-op.ts'

const pages = [
  '?limit=200',
  '?type=no-op-inline',
  '?status=completed',
  '?status=failed',
  '?type=hold&limit=200'
]
const asGoodAsEmpty = (metric: string): Record<string, Target> => ({
  [metric]: { min: 1 / 1.15 },
  'CPU µs each': { max: 1.15 }
})

/** The same with a store that has seen `finished` tasks and holds `pending` ones, beside an empty one. */
export function scaleRows(finished: number, pending: number): Row[] {
  const n = (count: number) => count.toLocaleString('en')
  const full = (path: string) => fillStore(path, finished, pending)
  const kept = (path: string) => fillStore(path, finished, 0)
  const retention = { TASK_RETENTION: '100000' }
  return [
    {
      title: `scale: accept a task, ${n(finished)} finished and ${n(pending)} pending in the store`,
      contenders: [
        acceptContender('lastcall, full', () => startWithBusySlot(full)),
        acceptContender('itself, empty', () => startWithBusySlot(), asGoodAsEmpty('accepted/s'))
      ]
    },
    {
      title: `scale: life of an inline no-op over HTTP, ${n(finished)} finished in the store`,
      contenders: [
        noOpContender('full', postAll('no-op-inline'), retention, kept),
        {
          ...noOpContender('empty', postAll('no-op-inline'), retention),
          name: 'itself, empty',
          targets: asGoodAsEmpty('tasks/s')
        }
      ]
    },
    {
      title: `scale: start with ${n(finished)} finished and ${n(pending)} pending; then pages and sweeps`,
      limits: {
        'spawn to ready, ms': { max: 2000 },
        'longest wait beside pages, ms': { max: 20 },
        'longest wait beside sweeps, ms': { max: 20 }
      },
      rounds: { quick: 1, full: 3 },
      contenders: [
        {
          name: 'lastcall',
          async setUp() {
            return {
              async measure(seconds) {
                const program = await startLastcall({ ...retention, MAX_PENDING: '100000000' }, full)
                const paging = await longestWait(program.port, seconds, pages)
                await program.stop()
                const sweeping = await startLastcall({ TASK_RETENTION: '0' }, full)
                const swept = await longestWait(sweeping.port, seconds, [])
                await sweeping.stop()
                return {
                  'spawn to ready, ms': program.startMs,
                  'longest wait beside pages, ms': paging,
                  'longest wait beside sweeps, ms': swept
                }
              },
              close: async () => {}
            }
          }
        }
      ]
    }
  ]
}

/** The longest that a probe waited while another client asked for pages, one after the other; all were asked for once before. */
async function longestWait(port: number, seconds: number, queries: string[]): Promise<number> {
  const probe = new Connection(port)
  const client = new Connection(port)
  for (const query of queries) await client.request(getText(`/api/tasks${query}`))
  const until = performance.now() + seconds * 1000
  let longest = 0
  const asking = async () => {
    while (queries.length > 0 && performance.now() < until)
      for (const query of queries) await client.request(getText(`/api/tasks${query}`))
  }
  const probing = async () => {
    while (performance.now() < until) {
      const askedAt = performance.now()
      await probe.request(getText('/healthz'))
      longest = Math.max(longest, performance.now() - askedAt)
    }
  }
  await Promise.all([asking(), probing()])
  probe.close()
  client.close()
  return longest
}
