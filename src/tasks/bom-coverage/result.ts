import { clip, isPlaceholder } from './cell.ts'
import type { LineCoverage } from './coverage.ts'
import { packageKey } from './package-name.ts'
import { round } from './quantity.ts'
import type { Bom } from './read-bom.ts'
import type { Warning } from './warnings.ts'

/** One part line in the result. `available` and `shortage` are null when there is no stock list. */
export type ResultLine = ReturnType<typeof resultLine>

/** One part to buy, for all lines that lack it. */
export type ShoppingItem = ReturnType<typeof listShopping>[number]

/** The result of the task; where it would be too large, lines keep only what `fitResult` leaves them. */
export interface CoverageResult {
  figures: Bom['figures']
  lines: Partial<ResultLine>[]
  totals: ReturnType<typeof countTotals>
  shoppingList: Partial<ShoppingItem>[]
  warnings: Warning[]
}

export function resultLine({ line, wanted: _, ...covered }: LineCoverage) {
  const { needed, status, available, shortage, locations, warnings } = covered
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

/** `needed` counts pieces for all boards, the others count lines. */
export function countTotals(lines: LineCoverage[]) {
  const totals = { needed: 0, enough: 0, partial: 0, missing: 0, notPlaced: 0, unknown: 0 }
  for (const { needed, status } of lines) {
    totals.needed += needed
    totals[status === 'not-placed' ? 'notPlaced' : status]++
  }
  totals.needed = round(totals.needed)
  return totals
}

/** Adds up the shortages: by manufacturer code, else by value and package, else by what the line says of it. */
export function listShopping(lines: LineCoverage[]) {
  const items = new Map<string, ReturnType<typeof shoppingItem>>()
  for (const covered of lines) {
    const { line, shortage } = covered
    if (shortage === null || shortage <= 0) continue
    const key = keyOf(covered)
    const item = items.get(key) ?? shoppingItem(line)
    items.set(key, item)
    item.quantity = round(item.quantity + shortage)
    for (const name of line.designators) item.designators.push(clip(name))
  }
  return [...items.values()]
}

function shoppingItem(line: LineCoverage['line']) {
  const designators: string[] = []
  const [value, packageName] = [clip(line.value), clip(line.package)]
  return {
    manufacturerCode: clip(line.manufacturerCode),
    value,
    package: packageName,
    quantity: 0,
    designators
  }
}

function keyOf({ line, wanted: { code, part, ratings } }: LineCoverage) {
  if (code !== undefined) return `code ${code}`
  if (part !== undefined) return `part ${part} ${ratings.join(' ')}`
  // Without value or package only equal texts are the same part; a line that says nothing is a part of its own.
  const text = JSON.stringify([line.value, packageKey(line.package), line.description])
  return isPlaceholder(line.value) && isPlaceholder(line.description) ? `row ${line.row}` : `text ${text}`
}
