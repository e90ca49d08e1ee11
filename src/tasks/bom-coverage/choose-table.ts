import { type Header, isForeignWord } from './header.ts'
import { type Reading, readTables } from './read-table.ts'
import { lookAhead, type Records, readRecords } from './records.ts'
import { headerAt } from './two-row-header.ts'

/** A delimiter that gives a header row, and the records below it. */
interface Candidate {
  delimiter: string
  header: Header
  records: Records
}

/** A text as the best delimiter reads it. */
export interface Table {
  delimiter: string
  header: Header
  reading: Reading
}

const DELIMITERS = [',', ';', '\t', '|']
const SEARCHED = 60
const SEP = /^(?:sep=([^\r\n])|"sep=([^\r\n])")[ \t]*(?:\r\n|\r|\n|$)/i

/**
 * Reads the text with the delimiter that suits it best (section 3); undefined when none gives a header row.
 * @throws BOM_TOO_LARGE
 */
export function readBest(text: string): Table | undefined {
  const tables = findHeaders(text).map(({ delimiter, header, records }) => ({
    delimiter,
    header,
    reading: readTables(header, records)
  }))
  return tables.reduce<Table | undefined>(
    (best, table) => (best && !isBetter(table, best) ? best : table),
    undefined
  )
}

/** How many header cells are words by letters outside a-z, when the text is split as suits it best (rule 1.3 a). */
export function countForeignWords(text: string): number {
  const found = findHeaders(text)
  const header = found.length > 1 ? readBest(text)?.header : found[0]?.header
  return header ? header.cells.filter(isForeignWord).length : 0
}

/** The delimiters to try, or the one that a first line `sep=X` names, and where the text begins (rule 3.1). */
export function delimitersOf(text: string) {
  const sep = SEP.exec(text)
  const named = sep?.[1] ?? sep?.[2]
  const start = sep ? { offset: sep[0].length, line: 2 } : { offset: 0, line: 1 }
  return { delimiters: named === undefined ? DELIMITERS : [named], start }
}

function findHeaders(text: string): Candidate[] {
  const { delimiters, start } = delimitersOf(text)
  return delimiters.flatMap((delimiter) => {
    // Nothing is a header of one cell.
    if (!text.includes(delimiter)) return []
    const records = lookAhead(readRecords(text, delimiter, start))
    const header = findHeader(records)
    return header ? [{ delimiter, header, records }] : []
  })
}

/** The first header row of the first 60 records that are not blank (rule 4.3). */
function findHeader(records: Records): Header | undefined {
  let searched = 0
  for (let record = records.next(); record && searched < SEARCHED; record = records.next()) {
    if (record.cells.every((cell) => cell === '')) continue
    const header = headerAt(record, records)
    if (header) return header
    searched++
  }
  return undefined
}

/** Any part line, then most roles, most part lines, most header cells (rule 3.2). */
function isBetter(table: Table, than: Table) {
  const differences = [
    Number(table.reading.lines.length > 0) - Number(than.reading.lines.length > 0),
    table.header.columns.size - than.header.columns.size,
    table.reading.lines.length - than.reading.lines.length,
    table.header.cells.length - than.header.cells.length
  ]
  return (differences.find((difference) => difference !== 0) ?? 0) > 0
}
