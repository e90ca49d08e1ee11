/** Measures the built service beside its peers: `npm run bench`, `-- --quick`, `-- --only accept`, `-- --quick --baseline`. */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { compareWithBaseline, writeBaseline } from './baseline.ts'
import { measureRow, type Result, type Row } from './measure.ts'
import { hasRedis } from './redis.ts'
import { accept } from './rows/accept.ts'
import { batchRow, labelRow, waitRow, watchedRow } from './rows/api.ts'
import { bomCoverageRow } from './rows/bom-coverage.ts'
import { distributedRows } from './rows/distributed.ts'
import { exitRow } from './rows/exit.ts'
import { fanOutRow, manyTasksRow } from './rows/fan-out.ts'
import { lifeRow } from './rows/life.ts'
import { keptMemoryRow, streamMemoryRow } from './rows/memory.ts'
import { noOp } from './rows/no-op.ts'
import { pageRow } from './rows/page.ts'
import { pickupRows } from './rows/pickup.ts'
import { busyProbes, idleProbes } from './rows/probes.ts'
import { scaleRows } from './rows/scale.ts'
import { silentDiskRow } from './rows/silent-disk.ts'
import { startStop } from './rows/start-stop.ts'
import { childMemoryRow, killRow, workerRows } from './rows/workers.ts'
import { formatTable } from './table.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    baseline: { type: 'boolean', default: false }
  }
})
const { quick, only, baseline } = values

const rows: Row[] = [
  accept,
  lifeRow,
  ...workerRows,
  ...pickupRows,
  fanOutRow,
  manyTasksRow,
  streamMemoryRow,
  keptMemoryRow,
  startStop,
  exitRow,
  killRow,
  childMemoryRow,
  bomCoverageRow,
  ...distributedRows,
  ...(quick
    ? []
    : [
        noOp,
        idleProbes,
        busyProbes,
        silentDiskRow,
        waitRow,
        batchRow,
        watchedRow,
        pageRow,
        labelRow(1_000_000)
      ]),
  ...(quick ? scaleRows(20_000, 2_000) : scaleRows(1_000_000, 100_000))
]
const [rounds, seconds] = quick ? [3, 0.5] : [7, 5]

console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${rounds} rounds of ${seconds} s\n`
)
if (!hasRedis) console.log('redis-server is not installed: nothing is compared with BullMQ.\n')
const results: Result[] = []
for (const row of rows.filter(({ title, contenders }) => title.includes(only) && contenders.length > 0)) {
  const itsRounds = row.rounds ? row.rounds[quick ? 'quick' : 'full'] : rounds
  const startedAt = performance.now()
  results.push(...(await measureRow(row, itsRounds, seconds)))
  console.error(`${row.title}: ${Math.round((performance.now() - startedAt) / 1000)} s`)
}
console.log(formatTable(results))

if (baseline) writeBaseline(results)
else if (quick) {
  const changes = compareWithBaseline(results)
  console.log(
    changes.length === 0 ? '\nNo ratio is far from bench/baseline.json.' : '\nFar from bench/baseline.json:'
  )
  for (const change of changes) console.log(`- ${change}`)
}
