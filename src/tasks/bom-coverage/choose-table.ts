import { type Header, headerAt, isForeignWord } from './header.ts'
import { readTables } from './read-table.ts'
import { lookAhead, type Records, readRecords } from './records.ts'

export type Table = NonNullable<ReturnType<typeof readBest>>

const DELIMITERS = [',', ';', '\t', '|']
const SEARCHED = 60
const SEP = /^(?:sep=([^\r\n])|"sep=([^\r\n])")[ \t]*(?:\r\n|\r|\n|$)/i

/** Reads the text with the delimiter that suits it best (section 3); undefined when none gives a header row. */
export function readBest(text: string) {
  const [first, ...others] = findHeaders(text).map(({ delimiter, header, records }) => {
    const reading = readTables(header, records)
    // Any part line, then most roles, most part lines, most header cells (rule 3.2).
    const count = reading.lines.length
    const merits = [Number(count > 0), header.columns.size, count, header.cells.length]
    return { delimiter, header, reading, merits }
  })
  return others.reduce((best, table) => (isBetter(table.merits, best?.merits) ? table : best), first)
}

function isBetter(merits: number[], than: number[] = []) {
  const differences = merits.map((merit, index) => merit - (than[index] ?? 0))
  return (differences.find((difference) => difference !== 0) ?? 0) > 0
}

/** How many header cells are words by letters outside a-z, when the text is split as suits it best (rule 1.3 a). */
export function countForeignWords(text: string): number {
  const found = findHeaders(text)
  const header = found.length > 1 ? readBest(text)?.header : found[0]?.header
  return header ? header.cells.filter(isForeignWord).length : 0
}

/** The delimiters to try, or the one that a first line `sep=X` names, and where the text begins (rule 3.1). */
export function delimitersOf(text: string) {
  const [sep, bare, quoted] = SEP.exec(text) ?? []
  if (sep === undefined) return { delimiters: DELIMITERS, start: { offset: 0, line: 1 } }
  return { delimiters: [bare ?? quoted ?? ''], start: { offset: sep.length, line: 2 } }
}

function findHeaders(text: string) {
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
