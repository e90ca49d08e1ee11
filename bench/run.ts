/** Measures the built service beside its peers: `npm run bench`, `npm run bench -- --quick`, `-- --only accept`. */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { measureRow, type Result, type Row } from './measure.ts'
import { accept } from './rows/accept.ts'
import { fanOutRow } from './rows/fan-out.ts'
import { leaveRow } from './rows/leave.ts'
import { noOp } from './rows/no-op.ts'
import { busyProbes, idleProbes } from './rows/probes.ts'
import { startStop } from './rows/start-stop.ts'
import { formatTable } from './table.ts'

const rows: Row[] = [accept, noOp, fanOutRow, idleProbes, busyProbes, startStop, leaveRow]

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string', default: '' } }
})
const [rounds, seconds] = values.quick ? [3, 2] : [7, 5]

console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${rounds} rounds of ${seconds} s\n`
)
const results: Result[] = []
for (const row of rows.filter(({ title }) => title.includes(values.only))) {
  console.error(row.title)
  results.push(...(await measureRow(row, rounds, seconds)))
}
console.log(formatTable(results))
