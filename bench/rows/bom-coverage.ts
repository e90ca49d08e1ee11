import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import bomCoverage from '../../src/tasks/bom-coverage/bom-coverage.ts'
import type { Contender, Row } from '../measure.ts'
import { selfMeasured } from '../peer.ts'

const data = fileURLToPath(new URL('../data/', import.meta.url))
const bom = `${data}bom.csv`
const stock = `${data}stock.csv`
const parts = 100_000

/** Resistors and capacitors, a tenth of which the stock list holds by their manufacturer's number. */
function writeFiles(): void {
  mkdirSync(data, { recursive: true })
  const value = (n: number) => (n % 2 === 0 ? `${(n % 900) + 100}k` : `${(n % 90) + 10}nF`)
  const bomLines = Array.from(
    { length: 10_000 },
    (_, n) => `"${n % 2 === 0 ? 'R' : 'C'}${n + 1}",1,${value(n)},0603,MPN-${n * 10}`
  )
  const stockLines = Array.from(
    { length: parts },
    (_, n) => `P${n},MPN-${n},${value(n)},0603,"A part, of some kind",${n % 500},Shelf ${n % 40}`
  )
  const bomHeader = 'Reference,Qty,Value,Footprint,MPN'
  const stockHeader = 'part_id,manufacturer_code,value,package,description,quantity,location'
  writeFileSync(bom, [bomHeader, ...bomLines].join('\n'))
  writeFileSync(stock, [stockHeader, ...stockLines].join('\n'))
}

const nothing = () => {}
const context = {
  taskId: 'bench',
  attempt: 1,
  signal: new AbortController().signal,
  restored: undefined,
  labels: {},
  requestId: undefined,
  traceparent: undefined,
  log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
  progress: nothing,
  checkpoint: async () => {}
}

const lastcall: Contender = {
  name: 'lastcall',
  async setUp() {
    writeFiles()
    const input = { bom: readFileSync(bom, 'utf8'), stock: readFileSync(stock, 'utf8'), boards: 10 }
    return {
      async measure() {
        const startedAt = performance.now()
        await bomCoverage.run(input, context)
        return { ms: performance.now() - startedAt }
      },
      close: async () => {}
    }
  }
}

export const bomCoverageRow: Row = {
  title: 'bom-coverage, 10,000 lines × 100,000 stock rows',
  contenders: [
    lastcall,
    selfMeasured('csv-parse, both texts parsed', {
      program: 'csv-parse',
      question: { bom, stock },
      targets: { ms: { max: 1.5 } }
    })
  ]
}
