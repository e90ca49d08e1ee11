import type { Decoded } from './decode.ts'
import { designatorBudget } from './designators.ts'
import { failure } from './failure.ts'
import { countLines, type Figures } from './figures.ts'
import { findTable } from './find-table.ts'
import { repeatsHeader } from './header.ts'
import { describeLoss, type PartLine, readPartLine } from './part-line.ts'
import { readRecords } from './records.ts'
import { type SkippedRows, whyNoPart } from './skipped-rows.ts'
import { collectTables } from './tables.ts'
import { collectWarnings, type Warning } from './warnings.ts'

/** A bill of materials as it was read. */
export interface Bom {
  figures: Figures
  lines: PartLine[]
  warnings: Warning[]
}

const DELIMITER_NAMES = new Map([
  [',', 'comma'],
  [';', 'semicolon'],
  ['\t', 'tab'],
  ['|', 'pipe']
])

// Ten times the largest board there is; what is read must fit a worker's memory.
const MOST_LINES = 100_000

/**
 * Reads a bill of materials (the rules are those of `bom-rules.md`).
 * @throws BOM_UNREADABLE, BOM_TOO_LARGE
 */
export function readBom({ text, encoding }: Decoded): Bom {
  const { delimiter, start, header } = findTable(text)
  const budget = designatorBudget()
  const tables = collectTables()
  const warnings = collectWarnings('bom', 'BOM')
  const skippedRows: SkippedRows = { blank: 0, heading: 0, metadata: 0, totals: 0, comment: 0, empty: 0 }
  let tableLine = header.line
  let partLines = 0

  const endTable = () => {
    const replaced = tables.end()
    if (replaced > 0) {
      const what = `the table under it names every designator again and replaces the ${replaced} part lines before`
      warnings.add(tableLine, what)
    }
  }

  for (const { line, cells, unclosed } of readRecords(text, delimiter, start)) {
    if (unclosed) warnings.add(line, 'a quoted cell is never closed, so it was read to the end of the file')
    if (line <= header.line) continue

    const row = cells.length > header.cells.length ? cells.slice(0, header.cells.length) : cells
    const reason = whyNoPart(row, header.headings.length)
    if (reason !== 'blank' && repeatsHeader(row, header)) {
      endTable()
      tables.next()
      tableLine = line
      continue
    }
    if (reason) {
      skippedRows[reason]++
      continue
    }

    const part = readPartLine(line, row, header, budget)
    if (cells.findLastIndex((cell) => cell !== '') >= row.length) {
      part.warnings.push('the row has cells past the last column of the header; they were ignored')
    }
    if (part.designators.length > 0 || part.quantity > 0) {
      tables.add(part)
      if (++partLines > MOST_LINES)
        throw failure('BOM_TOO_LARGE', `The BOM has more than ${MOST_LINES} part lines`)
      continue
    }
    skippedRows.empty++
    const loss = describeLoss(part)
    if (loss) warnings.add(line, loss)
  }
  endTable()

  const lines = tables.lines()
  if (lines.length === 0) warnings.add(header.line, 'no part line follows this header row')
  const figures: Figures = {
    encoding,
    delimiter: DELIMITER_NAMES.get(delimiter) ?? delimiter,
    headerLine: header.line,
    columns: header.texts,
    ...countLines(lines, header.columns.has('dnpNegative') || header.columns.has('dnpPositive')),
    distinctDesignators: tables.designators(),
    tables: tables.count(),
    skippedRows
  }
  return { figures, lines, warnings: warnings.list() }
}
