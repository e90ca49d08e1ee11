import { isPlaceholder } from './cell.ts'
import { isDnp } from './figures.ts'
import { dropSize } from './package-name.ts'
import { codeKey, partKeys } from './part-key.ts'
import { kindOfDesignators, kindOfTexts } from './part-kind.ts'
import type { PartLine } from './part-line.ts'
import { round } from './quantity.ts'
import { type Draw, draw, findShelf, hasCode, hasPart, type Stock, type Wanted } from './stock.ts'
import { say } from './warnings.ts'

export type LineStatus = 'enough' | 'partial' | 'missing' | 'not-placed' | 'unknown'

/** A part line and what it asks of the stock. */
export interface Demand {
  line: PartLine
  wanted: Wanted
}

/** What the stock gives one line. `available` is what it gets, at most `needed`; null when there is no stock list. */
export interface LineCoverage {
  line: PartLine
  wanted: Wanted
  needed: number
  status: LineStatus
  available: number | null
  shortage: number | null
  locations: Draw[]
  warnings: string[]
}

/** What the lines ask for, by manufacturer code or by value and package. */
export function demandOf(lines: PartLine[]): Demand[] {
  return lines.map((line) => {
    const kind = kindOfDesignators(line.designators) ?? kindOfTexts(line.package, line.description)
    const value = line.packageFromText ? dropSize(line.value, line.package) : line.value
    const keys = partKeys(value, line.package, kind)
    return {
      line,
      wanted: { code: codeKey(line.manufacturerCode), part: keys?.part, ratings: keys?.ratings ?? [] }
    }
  })
}

/** Sets the lines against the stock in BOM order; every line draws it down for those after it. */
export function coverLines(demand: Demand[], boards: number, stock: Stock | undefined): LineCoverage[] {
  return demand.map(({ line, wanted }) => coverLine(line, wanted, boards, stock))
}

function coverLine(line: PartLine, wanted: Wanted, boards: number, stock: Stock | undefined): LineCoverage {
  const covered = { line, wanted, locations: [], warnings: line.warnings }
  if (isDnp(line)) return { ...covered, needed: 0, status: 'not-placed', available: 0, shortage: 0 }

  const needed = round(line.quantity * boards)
  if (!stock) return { ...covered, needed, status: 'unknown', available: null, shortage: null }

  const shelf = findShelf(stock, wanted)
  const locations = shelf ? draw(shelf, needed) : []
  const available = round(locations.reduce((sum, { quantity }) => sum + quantity, 0))
  const shortage = round(needed - available)
  const note = describeMatch(line, wanted, stock, available)
  return {
    ...covered,
    needed,
    status: shortage <= 0 ? 'enough' : available > 0 ? 'partial' : 'missing',
    available,
    shortage,
    locations,
    warnings: note === undefined ? line.warnings : [...line.warnings, note]
  }
}

/** What the user should know of how the line was looked up, if it was not simply found. */
function describeMatch(line: PartLine, { code, part, ratings }: Wanted, stock: Stock, available: number) {
  if (available > 0) {
    return code === undefined || hasCode(stock, code) ? undefined : say('codeUnknown')
  }
  if (code === undefined && part === undefined) {
    const lacks = isPlaceholder(line.value) ? 'value' : 'package'
    return say('notMatchable', lacks)
  }
  if (part === undefined || (code !== undefined && hasCode(stock, code))) return undefined
  return ratings.length > 0 && hasPart(stock, part) ? say('ratingUnknown', ratings.join(' ')) : undefined
}
