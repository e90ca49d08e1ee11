import { clip } from './cell.ts'
import { failure } from './failure.ts'
import { type Header, readHeader } from './header.ts'
import { readRecords } from './records.ts'

/** How a file is to be read: from where, split at what, under which header row. */
export interface Table {
  delimiter: string
  start: { offset: number; line: number }
  header: Header
}

const DELIMITERS = [',', ';', '\t', '|']
const SEARCHED = 60
const SEP = /^(?:sep=([^\r\n])|"sep=([^\r\n])")[ \t]*(?:\r\n|\r|\n|$)/i

/**
 * Finds the delimiter and the header row (section 3 and rule 4.3).
 * @throws BOM_UNREADABLE when no delimiter gives a header row
 */
export function findTable(text: string): Table {
  const sep = SEP.exec(text)
  const start = sep ? { offset: sep[0].length, line: 2 } : { offset: 0, line: 1 }
  const named = sep?.[1] ?? sep?.[2]

  let best: Table | undefined
  for (const delimiter of named === undefined ? DELIMITERS : [named]) {
    const header = findHeader(text, delimiter, start)
    if (header && (!best || isBetter(header, best.header))) best = { delimiter, start, header }
  }
  if (!best) throw failure('BOM_UNREADABLE', describeFailure(text, named))
  return best
}

function findHeader(text: string, delimiter: string, start: Table['start']) {
  let searched = 0
  for (const { line, cells } of readRecords(text, delimiter, start)) {
    if (cells.every((cell) => cell === '')) continue
    const header = readHeader(line, cells)
    if (header) return header
    searched++
    if (searched === SEARCHED) break
  }
  return undefined
}

function isBetter(header: Header, than: Header) {
  const more = header.columns.size - than.columns.size
  return more > 0 || (more === 0 && header.cells.length > than.cells.length)
}

function describeFailure(text: string, named: string | undefined) {
  if (text.trim() === '') return 'No header row: the BOM is empty'

  const splitAt = named === undefined ? 'comma, semicolon, tab and pipe' : JSON.stringify(named)
  const nul = text.includes('\0')
    ? '. The text holds NUL characters: is it UTF-16 without a byte order mark, or no text file at all?'
    : ''
  return (
    `No header row: in the first ${SEARCHED} records, split at ${splitAt}, no row names two of the columns ` +
    'designator (Reference, RefDes, Parts...), quantity (Qty, Count, Menge...), value (Comment...), ' +
    'package (Footprint...), manufacturer code (MPN, Part Number...) and description, ' +
    `one of them designator or quantity; the text begins with ${JSON.stringify(clip(text.trimStart(), 60))}${nul}`
  )
}
