import { findRoles, type Header, isWord, meaningOf, normalise, readHeader } from './header.ts'
import type { CsvRecord, Records } from './records.ts'
import { companyFields, companyWords } from './words.ts'

const companies = new Set(companyWords.map(normalise))
const fields = new Set(companyFields)
const NUMBER = /^[\d.,]*\d[\d.,]*$/
// How far to look for cells that are designators (rule 4.5).
const ROWS_BELOW = 200

/** The header that begins with this record, be it alone or, with merged cells, together with the next. */
export function headerAt(record: CsvRecord, records: Records): Header | undefined {
  const lower = hasGap(record.cells) ? records.peek(1)[0] : undefined
  const both = lower && joinRows(record.cells, lower, () => records.peek(ROWS_BELOW + 1).slice(1))
  if (both) records.next()
  return both ?? readHeader(record.line, record.cells, () => records.peek(ROWS_BELOW))
}

function hasGap(cells: string[]) {
  return cells.some((cell, column) => cell !== '' && (cells[column + 1] ?? '') === '')
}

/** `Qty,Reference,Manufacturer,` over `,,Name,MPN` as one header, if they are one (rule 4.6). */
function joinRows(upper: string[], { line, cells: lower }: CsvRecord, below: () => CsvRecord[]) {
  const at = (cells: string[], column: number) => cells[column] ?? ''
  const isSpread = upper.some(
    (cell, c) => cell !== '' && at(upper, c + 1) === '' && at(lower, c) !== '' && at(lower, c + 1) !== ''
  )
  const cannotHead = (cell: string) => NUMBER.test(cell)
  if (!isSpread || upper.filter((cell) => cell !== '').length < 2) return undefined
  if (upper.some((cell) => cell.endsWith(':') || cannotHead(cell)) || lower.some(cannotHead)) return undefined

  let above = ''
  let belongTogether = false
  let underWord = false
  const cells: string[] = []
  for (let column = 0; column < Math.max(upper.length, lower.length); column++) {
    above = at(upper, column) || above
    const own = at(lower, column)
    const both = `${above} ${own}`
    const isJoined = own !== '' && above !== '' && isWord(both)
    const isCompanys = companies.has(normalise(above)) && fields.has(normalise(own))
    belongTogether ||= own !== '' && (isJoined || isCompanys)
    // A company's `Name` has no role, and neither has the company.
    cells.push(own === '' ? at(upper, column) : isJoined ? both : isCompanys ? above : own)
    underWord ||= own !== '' && !isJoined && meaningOf(above) !== undefined
  }

  const header = belongTogether ? readHeader(line, cells, below) : undefined
  const isNeeded = () => header && header.columns.size > findRoles(upper, below).size && !underWord
  return readHeader(line, lower, below) || isNeeded() ? header : undefined
}
