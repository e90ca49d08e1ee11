import { clip } from './cell.ts'
import type { LineCoverage, LineStatus } from './coverage.ts'
import type { Figures } from './figures.ts'
import { round } from './quantity.ts'
import type { ShoppingItem } from './shopping-list.ts'
import type { Draw } from './stock.ts'
import type { Warning } from './warnings.ts'

/** One part line in the result. `available` and `shortage` are null when there is no stock list. */
export interface ResultLine {
  row: number
  designators: string[]
  quantityPerBoard: number
  needed: number
  value: string
  package: string
  manufacturerCode: string
  description: string
  dnp: boolean
  status: LineStatus
  available: number | null
  shortage: number | null
  locations: Draw[]
  warnings: string[]
}

/** `needed` counts pieces for all boards, the others count lines. */
export interface Totals {
  needed: number
  enough: number
  partial: number
  missing: number
  notPlaced: number
  unknown: number
}

/** The result of the task; where it would be too large, lines keep only what `fitResult` leaves them. */
export interface CoverageResult {
  figures: Figures
  lines: Partial<ResultLine>[]
  totals: Totals
  shoppingList: Partial<ShoppingItem>[]
  warnings: Warning[]
}

export function resultLine({
  line,
  needed,
  status,
  available,
  shortage,
  locations,
  warnings
}: LineCoverage): ResultLine {
  return {
    row: line.row,
    designators: line.designators.map((name) => clip(name)),
    quantityPerBoard: line.quantity,
    needed,
    value: clip(line.value),
    package: clip(line.package),
    manufacturerCode: clip(line.manufacturerCode),
    description: clip(line.description),
    dnp: status === 'not-placed',
    status,
    available,
    shortage,
    locations,
    warnings
  }
}

export function countTotals(lines: LineCoverage[]): Totals {
  const totals = { needed: 0, enough: 0, partial: 0, missing: 0, notPlaced: 0, unknown: 0 }
  for (const { needed, status } of lines) {
    totals.needed += needed
    totals[status === 'not-placed' ? 'notPlaced' : status]++
  }
  totals.needed = round(totals.needed)
  return totals
}
