import { anyOf, isPlaceholder } from './cell.ts'
import { type DesignatorBudget, designatorBudget, readDesignators } from './designators.ts'
import { isDnpHeading } from './dnp.ts'
import { failure } from './failure.ts'
import { type Header, headerAt } from './header.ts'
import { cellOf, describeLoss, type PartLine, readPartLine } from './part-line.ts'
import { readQuantity } from './quantity.ts'
import type { Records } from './records.ts'
import { collectWarnings, say } from './warnings.ts'
import { currencies, totalSigns, totalWords } from './words.ts'

const TOTALS = new RegExp(
  `^(?:(?:(?:grand|sub)[\\s-]*)?${anyOf(totalWords)}(?![\\p{L}\\p{N}])|${anyOf(totalSigns)})`,
  'iu'
)
const CURRENCY = new RegExp(`(?<!\\p{L})${anyOf(currencies)}(?!\\p{L})`, 'giu')

/** What stands below a file's first header row. */
export type Reading = ReturnType<typeof readTables>

// Ten times the largest board there is; what is read must fit a worker's memory.
const MOST_LINES = 100_000
const MOST_TABLES = 10_000

/** The part line just above, which rows of designators alone may continue (rule 5.4 a). */
interface Open {
  line: PartLine
  /** Its designator cell and those that continue it, and how many designators they name. */
  cells: string[]
  named: number
  readAgain: (designatorCell: string) => PartLine
}

/** Reads the rows below a header row (section 5) and the tables that follow it (section 8). @throws BOM_TOO_LARGE */
export function readTables(firstHeader: Header, records: Records) {
  const budget = designatorBudget()
  const tables = collectTables()
  const warnings = collectWarnings('bom', 'BOM')
  const skippedRows = { blank: 0, heading: 0, metadata: 0, totals: 0, comment: 0, empty: 0 }
  let header = firstHeader
  let hasMarkers = hasMarkerColumn(header)
  let lines = 0
  let tableCount = 1
  let open: Open | undefined
  let dnpHeading: 'none' | 'new' | 'used' = 'none'

  const closeLine = () => {
    if (open) tables.add(open.cells.length === 1 ? open.line : open.readAgain(open.cells.join(',')))
    open = undefined
  }
  const closeTable = () => {
    closeLine()
    const replaced = tables.end()
    if (replaced > 0) warnings.add(header.line, say('tableReplaced', replaced))
  }
  const skip = (kind: keyof typeof skippedRows) => {
    closeLine()
    skippedRows[kind]++
  }

  for (let record = records.next(); record; record = records.next()) {
    const { line: rowNumber, cells } = record
    const width = header.cells.length
    const row = cells.length > width ? cells.slice(0, width) : cells
    if (record.unclosed) warnings.add(rowNumber, say('unclosedQuote'))

    const at = row.findIndex((cell) => cell !== '')
    const first = row[at]
    if (first === undefined) {
      skip('blank')
      if (dnpHeading === 'used') dnpHeading = 'none'
      continue
    }
    const quantity = readQuantity(cellOf('quantity', row, header))
    const next = quantity === undefined ? headerAt(record, records) : undefined
    if (next) {
      closeTable()
      if (++tableCount > MOST_TABLES)
        throw failure('BOM_TOO_LARGE', `The BOM has more than ${MOST_TABLES} header rows`)
      header = next
      hasMarkers ||= hasMarkerColumn(next)
      dnpHeading = 'none'
      continue
    }
    if (/^(?:#|\/\/)/.test(first) && !namesPart(row, header, at, budget)) {
      skip('comment')
      continue
    }

    const isAlone = row.findLastIndex((cell) => cell !== '') === at
    const named = isAlone ? countDesignatorsAlone(first, at, header, budget) : 0
    if (named > 0 && open && isUnfinished(open)) {
      open.cells.push(first)
      open.named += named
      continue
    }
    const isHeading = isAlone && named === 0
    const isOfDnp = isHeading && isDnpHeading(first)
    if (isOfDnp || (isHeading && header.filled >= 3 && !quantity)) {
      skip('heading')
      dnpHeading = isOfDnp ? 'new' : 'none'
      continue
    }
    const kind = named > 0 ? undefined : kindByFirstCell(first)
    if (kind) {
      skip(kind)
      continue
    }

    const underDnpHeading = dnpHeading !== 'none'
    const ownHeader = header
    const readAgain = (designatorCell?: string) =>
      readPartLine(rowNumber, cells, ownHeader, { budget, underDnpHeading, designatorCell })
    const line = readAgain()
    const noPart = kindByParts(line, row)
    if (noPart) {
      skip(noPart)
      const loss = noPart === 'empty' ? describeLoss(line) : undefined
      if (loss !== undefined) warnings.add(rowNumber, loss)
      continue
    }
    if (++lines > MOST_LINES) throw failure('BOM_TOO_LARGE', `The BOM has more than ${MOST_LINES} part lines`)
    closeLine()
    if (cells.findLastIndex((cell) => cell !== '') >= width) warnings.add(rowNumber, say('extraCells'))
    if (underDnpHeading) dnpHeading = 'used'
    open = { line, cells: [cellOf('designator', row, header)], named: line.designators.length, readAgain }
  }
  closeTable()

  const distinctDesignators = tables.designators()
  return { lines: tables.lines(), distinctDesignators, hasMarkers, tables: tableCount, skippedRows, warnings }
}

/** Whether a row with this first cell is metadata or totals (rules 5.5 and 5.6). */
function kindByFirstCell(first: string): 'metadata' | 'totals' | undefined {
  if (first.endsWith(':')) return 'metadata'
  return TOTALS.test(first) ? 'totals' : undefined
}

/** Whether a row that was read as a part line is none: it asks for nothing, or is a sum (rules 5.7 and 5.8). */
function kindByParts(line: PartLine, cells: string[]): 'empty' | 'totals' | undefined {
  if (line.designators.length > 0) return undefined
  if (line.quantity <= 0) return 'empty'
  const says = [line.value, line.package, line.manufacturerCode, line.description]
  const isSum = says.every(isPlaceholder) && !cells.some((cell) => /\p{L}/u.test(cell.replace(CURRENCY, '')))
  return isSum ? 'totals' : undefined
}

function hasMarkerColumn({ columns }: Header) {
  return columns.has('dnpNegative') || columns.has('dnpPositive')
}

/** Whether a row that begins like a comment names a part in another cell than its first (rule 5.3). */
function namesPart(row: string[], header: Header, first: number, budget: DesignatorBudget) {
  const others = row.with(first, '')
  const { names } = readDesignators(cellOf('designator', others, header), undefined, budget)
  return names.length > 0 || (readQuantity(cellOf('quantity', others, header)) ?? 0) > 0
}

/** How many designators the only cell of a row names, if it holds nothing else (rule 5.4 a). */
function countDesignatorsAlone(cell: string, column: number, header: Header, budget: DesignatorBudget) {
  if (header.filled < 3 || !header.columns.get('designator')?.includes(column)) return 0
  const { names, alike } = readDesignators(cell, undefined, budget)
  return alike ? names.length : 0
}

/** OrCAD breaks a long list of designators over several rows. */
function isUnfinished({ cells, line, named }: Open) {
  return cells.at(-1)?.endsWith(',') || line.quantity > named
}

/** Puts the tables of one file together (section 8). Where no designator was read nothing can come again. */
function collectTables() {
  let lines: PartLine[] = []
  let named = new Set<string>()
  let table: PartLine[] = []

  return {
    add(line: PartLine) {
      table.push(line)
    },
    /** Ends a table, at the next header row or the end of the file; answers how many lines it replaced. */
    end() {
      const names = new Set<string>()
      for (const { designators } of table) for (const name of designators) names.add(name)
      const namesAll =
        named.size > 0 && named.size <= names.size && [...named].every((name) => names.has(name))
      const replaced = namesAll ? lines.length : 0
      if (replaced > 0 || lines.length === 0) {
        lines = table
        named = names
      } else {
        // One by one: a file may have as many tables as rows, and a table more lines than a call takes arguments.
        for (const line of table) lines.push(line)
        for (const name of names) named.add(name)
      }
      table = []
      return replaced
    },
    lines: () => lines,
    designators: () => named.size
  }
}
