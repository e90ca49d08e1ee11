import { anyOf, isPlaceholder } from './cell.ts'
import type { PartLine } from './part-line.ts'
import { currencies, totalSigns, totalWords } from './words.ts'

/** How many rows after the header are no part lines, by why. */
export interface SkippedRows {
  blank: number
  heading: number
  metadata: number
  totals: number
  comment: number
  empty: number
}

export const noRows = (): SkippedRows => ({
  blank: 0,
  heading: 0,
  metadata: 0,
  totals: 0,
  comment: 0,
  empty: 0
})

const TOTALS = new RegExp(
  `^(?:(?:(?:grand|sub)[\\s-]*)?${anyOf(totalWords)}(?![\\p{L}\\p{N}])|${anyOf(totalSigns)})`,
  'iu'
)
const CURRENCY = new RegExp(`(?<!\\p{L})${anyOf(currencies)}(?!\\p{L})`, 'giu')

/** Whether a row with this first cell is metadata or totals (rules 5.5 and 5.6). */
export function kindByFirstCell(first: string): 'metadata' | 'totals' | undefined {
  if (first.endsWith(':')) return 'metadata'
  return TOTALS.test(first) ? 'totals' : undefined
}

/** Whether a row that was read as a part line is none: it asks for nothing, or is a sum (rules 5.7 and 5.8). */
export function kindByParts(line: PartLine, cells: string[]): 'empty' | 'totals' | undefined {
  if (line.designators.length > 0) return undefined
  if (line.quantity <= 0) return 'empty'
  const says = [line.value, line.package, line.manufacturerCode, line.description]
  const isSum = says.every(isPlaceholder) && !cells.some((cell) => /\p{L}/u.test(cell.replace(CURRENCY, '')))
  return isSum ? 'totals' : undefined
}
