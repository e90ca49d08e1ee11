import { clip, isPlaceholder } from './cell.ts'
import type { LineCoverage } from './coverage.ts'
import { packageKey } from './package-name.ts'
import { round } from './quantity.ts'

/** One part to buy, for all lines that lack it. */
export interface ShoppingItem {
  manufacturerCode: string
  value: string
  package: string
  quantity: number
  designators: string[]
}

/** Adds up the shortages: by manufacturer code, else by value and package, else by what the line says of it. */
export function listShopping(lines: LineCoverage[]): ShoppingItem[] {
  const items = new Map<string, ShoppingItem>()

  for (const { line, wanted, shortage } of lines) {
    if (shortage === null || shortage <= 0) continue
    const key = keyOf(line, wanted)
    const item = items.get(key)
    if (item) {
      item.quantity = round(item.quantity + shortage)
      for (const name of line.designators) item.designators.push(clip(name))
    } else {
      items.set(key, {
        manufacturerCode: clip(line.manufacturerCode),
        value: clip(line.value),
        package: clip(line.package),
        quantity: shortage,
        designators: line.designators.map((name) => clip(name))
      })
    }
  }
  return [...items.values()]
}

function keyOf(line: LineCoverage['line'], { code, part, ratings }: LineCoverage['wanted']) {
  if (code !== undefined) return `code ${code}`
  if (part !== undefined) return `part ${part} ${ratings.join(' ')}`
  // Without value or package only equal texts are the same part; a line that says nothing is a part of its own.
  const text = JSON.stringify([line.value, packageKey(line.package), line.description])
  return isPlaceholder(line.value) && isPlaceholder(line.description) ? `row ${line.row}` : `text ${text}`
}
