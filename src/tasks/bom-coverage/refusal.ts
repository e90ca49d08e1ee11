import { clip } from './cell.ts'
import { delimitersOf, type Table } from './choose-table.ts'
import { namesCommonParts } from './designators.ts'
import { failure } from './failure.ts'
import { meaningOf } from './header.ts'
import { readRecords } from './records.ts'

// How a file begins that is no text, whatever its name says.
const WORKBOOKS = [
  ['PK\u0003\u0004', 'an Excel or LibreOffice workbook (or another zip archive)'],
  ['\u00d0\u00cf\u0011\u00e0', 'an Excel workbook of the old format (.xls)'],
  ['%PDF-', 'a PDF']
] as const
const SHOWN = 60

/** @throws BOM_UNREADABLE when the text or bytes are those of a workbook, which no encoding would make readable */
export function refuseWorkbook(beginning: string) {
  const workbook = WORKBOOKS.find(([bytes]) => beginning.startsWith(bytes))?.[1]
  if (workbook !== undefined)
    throw failure('BOM_UNREADABLE', `The BOM is ${workbook}, no CSV: open it and save or export it as CSV`)
}

/** Why no BOM was found in the text: what it is instead, and what to do. */
export function refusal(text: string, found: Table | undefined) {
  return failure('BOM_UNREADABLE', found ? describeEmptyTable(found) : describeNoHeader(text))
}

function describeEmptyTable({ header, reading: { skippedRows } }: Table) {
  const skipped = Object.entries(skippedRows).filter(([, count]) => count > 0)
  const rows = skipped.map(([kind, count]) => `${count} ${kind}`).join(', ') || 'none'
  const columns = Object.values(header.texts).map((column) => JSON.stringify(column))
  return (
    `No part line: row ${header.line} is a header row (${columns.join(', ')}), but no row below names a designator ` +
    `or a quantity above 0 (rows skipped: ${rows}). Was the list exported before its parts were placed, or cut short?`
  )
}

function describeNoHeader(text: string) {
  if (text.trim() === '') return 'No header row: the BOM is empty'
  const rows = text.slice(0, 20_000).split(/\r\n|\r|\n/, SHOWN)
  if (rows.some((row) => countWords(row.split(/ {2,}/)) > 1))
    return (
      'No header row: the columns are aligned by spaces, as in a part list of Eagle, and no delimiter tells them ' +
      'apart. Export it as CSV (in Eagle: Export BOM, or bom.ulp), or put a comma between the columns'
    )

  const { delimiters } = delimitersOf(text)
  const names = delimiters.map((one) => ({ ',': 'comma', '\t': 'tab' })[one] ?? JSON.stringify(one))
  const nul = text.includes('\0')
    ? '. The text holds NUL characters: is it UTF-16 without a byte order mark, or no text file at all?'
    : ''
  const named = delimiters.some((delimiter) => namesPartsAtOnce(rows.join('\n'), delimiter))
    ? '. Its rows name parts, but no row above them names the columns: add one, such as Reference,Quantity,Value,Footprint'
    : ''
  return (
    `No header row: in the first ${SHOWN} records, split at ${names.join(', ')}, no row names two of the columns ` +
    'designator (Reference, RefDes, Parts...), quantity (Qty, Count, Menge...), value (Comment...), ' +
    'package (Footprint...), manufacturer code (MPN, Part Number...) and description, ' +
    `one of them designator or quantity; the text begins with ${JSON.stringify(clip(text.trimStart(), SHOWN))}${named}${nul}`
  )
}

function countWords(cells: string[]) {
  return cells.length > 50 ? 0 : cells.filter((cell) => meaningOf(cell.trim()) !== undefined).length
}

function namesPartsAtOnce(text: string, delimiter: string) {
  const records = [...readRecords(text, delimiter)]
  const naming = records.filter(({ cells }) => cells.length > 1 && cells.slice(0, 100).some(namesCommonParts))
  return naming.length >= records.length / 2
}
