import { type DesignatorBudget, designatorBudget, readDesignators } from './designators.ts'
import { isDnpHeading } from './dnp.ts'
import { failure } from './failure.ts'
import type { Header } from './header.ts'
import { cellOf, describeLoss, type PartLine, readPartLine } from './part-line.ts'
import { readQuantity } from './quantity.ts'
import type { CsvRecord, Records } from './records.ts'
import { kindByFirstCell, kindByParts, noRows, type SkippedRows } from './row-kind.ts'
import { collectTables } from './tables.ts'
import { headerAt } from './two-row-header.ts'
import { collectWarnings, say } from './warnings.ts'

/** What stands below a file's first header row. */
export interface Reading {
  lines: PartLine[]
  distinctDesignators: number
  /** Whether any of the tables has a column that marks what is not placed. */
  hasMarkers: boolean
  tables: number
  skippedRows: SkippedRows
  warnings: ReturnType<typeof collectWarnings>
}

// Ten times the largest board there is; what is read must fit a worker's memory.
const MOST_LINES = 100_000
const MOST_TABLES = 10_000

/** The part line just above, which rows of designators alone may continue (rule 5.4 a). */
interface Open {
  record: CsvRecord
  row: string[]
  line: PartLine
  /** Its designator cell and those that continue it, and how many designators they name. */
  cells: string[]
  named: number
  underDnpHeading: boolean
}

/**
 * Reads the rows below a header row (section 5) and the tables that follow it (section 8).
 * @throws BOM_TOO_LARGE
 */
export function readTables(firstHeader: Header, records: Records): Reading {
  const budget = designatorBudget()
  const tables = collectTables()
  const warnings = collectWarnings('bom', 'BOM')
  const skippedRows = noRows()
  let header = firstHeader
  let hasMarkers = hasMarkerColumn(header)
  let lines = 0
  let open: Open | undefined
  let dnpHeading: 'none' | 'new' | 'used' = 'none'

  const closeLine = () => {
    if (open) tables.add(open.cells.length === 1 ? open.line : readContinued(open, header, budget))
    open = undefined
  }
  const closeTable = () => {
    closeLine()
    const replaced = tables.end()
    if (replaced > 0) warnings.add(header.line, say('tableReplaced', replaced))
  }
  const skip = (kind: keyof SkippedRows) => {
    closeLine()
    skippedRows[kind]++
  }

  for (let record = records.next(); record; record = records.next()) {
    const width = header.cells.length
    const row = record.cells.length > width ? record.cells.slice(0, width) : record.cells
    if (record.unclosed) warnings.add(record.line, say('unclosedQuote'))

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
      if (tables.next() > MOST_TABLES)
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
    if (named === 0 && isAlone && isDnpHeading(first)) {
      skip('heading')
      dnpHeading = 'new'
      continue
    }
    if (named === 0 && isAlone && header.filled >= 3 && !quantity) {
      skip('heading')
      dnpHeading = 'none'
      continue
    }
    const kind = named > 0 ? undefined : kindByFirstCell(first)
    if (kind) {
      skip(kind)
      continue
    }

    const underDnpHeading = dnpHeading !== 'none'
    const cells = record.cells
    const line = readPartLine(record.line, cells, header, budget, { underDnpHeading })
    const noPart = kindByParts(line, row)
    if (noPart) {
      skip(noPart)
      const loss = noPart === 'empty' ? describeLoss(line) : undefined
      if (loss !== undefined) warnings.add(record.line, loss)
      continue
    }
    if (++lines > MOST_LINES) throw failure('BOM_TOO_LARGE', `The BOM has more than ${MOST_LINES} part lines`)
    closeLine()
    if (cells.findLastIndex((cell) => cell !== '') >= width) warnings.add(record.line, say('extraCells'))
    if (underDnpHeading) dnpHeading = 'used'
    const designatorCell = cellOf('designator', row, header)
    open = {
      record,
      row: cells,
      line,
      cells: [designatorCell],
      named: line.designators.length,
      underDnpHeading
    }
  }
  closeTable()

  return {
    lines: tables.lines(),
    distinctDesignators: tables.designators(),
    hasMarkers,
    tables: tables.count(),
    skippedRows,
    warnings
  }
}

function hasMarkerColumn({ columns }: Header) {
  return columns.has('dnpNegative') || columns.has('dnpPositive')
}

/** Whether a row that begins like a comment names a part in another cell than its first (rule 5.3). */
function namesPart(row: string[], header: Header, first: number, budget: DesignatorBudget) {
  const others = row.with(first, '')
  const designators = cellOf('designator', others, header)
  return (
    readDesignators(designators, undefined, budget).names.length > 0 ||
    (readQuantity(cellOf('quantity', others, header)) ?? 0) > 0
  )
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

function readContinued(
  { record, row, cells, underDnpHeading }: Open,
  header: Header,
  budget: DesignatorBudget
) {
  return readPartLine(record.line, row, header, budget, { underDnpHeading, designatorCell: cells.join(',') })
}
