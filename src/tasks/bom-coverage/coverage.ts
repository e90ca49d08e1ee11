import { isPlaceholder } from './cell.ts'
import { dropSize } from './package-name.ts'
import { codeKey, partKeys } from './part-key.ts'
import { kindOfDesignators, kindOfTexts } from './part-kind.ts'
import { isDnp, type PartLine } from './part-line.ts'
import { round } from './quantity.ts'
import { type Draw, draw, findShelf, isStocked, type Stock, type Wanted } from './stock.ts'
import { say } from './warnings.ts'

export type Demand = { line: PartLine; wanted: Wanted }

/** What the stock gives one line. `available` is what it gets, at most `needed`; null when there is no stock list. */
export interface LineCoverage extends Demand {
  needed: number
  status: 'enough' | 'partial' | 'missing' | 'not-placed' | 'unknown'
  available: number | null
  shortage: number | null
  locations: Draw[]
  warnings: string[]
}

/** What a line asks for, by manufacturer code or by value and package. */
export function demandOf(line: PartLine): Demand {
  const kind = kindOfDesignators(line.designators) ?? kindOfTexts(line.package, line.description)
  const value = line.packageFromText ? dropSize(line.value, line.package) : line.value
  const { part, ratings = [] } = partKeys(value, line.package, kind) ?? {}
  return { line, wanted: { code: codeKey(line.manufacturerCode), part, ratings } }
}

/** Sets a line against the stock, and draws it down for those after it. */
export function coverLine({ line, wanted }: Demand, boards: number, stock: Stock | undefined): LineCoverage {
  const covered = { line, wanted, locations: [], warnings: line.warnings }
  if (isDnp(line)) return { ...covered, needed: 0, status: 'not-placed', available: 0, shortage: 0 }

  const needed = round(line.quantity * boards)
  if (!stock) return { ...covered, needed, status: 'unknown', available: null, shortage: null }

  const shelf = findShelf(stock, wanted)
  const locations = shelf ? draw(shelf, needed) : []
  const available = round(locations.reduce((sum, { quantity }) => sum + quantity, 0))
  const shortage = round(needed - available)
  const note = describeMatch(line, wanted, stock, available)
  const warnings = note === undefined ? line.warnings : [...line.warnings, note]
  const status = shortage <= 0 ? 'enough' : available > 0 ? 'partial' : 'missing'
  return { line, wanted, needed, status, available, shortage, locations, warnings }
}

/** What the user should know of how the line was looked up, if it was not simply found. */
function describeMatch(line: PartLine, { code, part, ratings }: Wanted, stock: Stock, available: number) {
  const isKnown = code !== undefined && isStocked(stock.byCode, code)
  if (available > 0) return code === undefined || isKnown ? undefined : say('codeUnknown')
  if (code === undefined && part === undefined)
    return say('notMatchable', isPlaceholder(line.value) ? 'value' : 'package')
  const isRated = part !== undefined && !isKnown && ratings.length > 0 && isStocked(stock.byPart, part)
  return isRated ? say('ratingUnknown', ratings.join(' ')) : undefined
}
