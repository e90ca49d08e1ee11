import { readBest } from './choose-table.ts'
import type { Decoded } from './decode.ts'
import { isDnp, type PartLine } from './part-line.ts'
import { round } from './quantity.ts'
import { refusal } from './refusal.ts'
import { quote, say, type Warning } from './warnings.ts'

/** A bill of materials as it was read. */
export type Bom = ReturnType<typeof readBom>

const DELIMITER_NAMES: Record<string, string> = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'pipe' }

/** Reads a bill of materials (the rules are those of docs/bom-coverage.md). @throws BOM_UNREADABLE, BOM_TOO_LARGE */
export function readBom({ text, encoding, warning }: Decoded) {
  const table = readBest(text)
  if (!table || table.reading.lines.length === 0) throw refusal(text, table)

  const { delimiter, header, reading } = table
  const { lines, hasMarkers, distinctDesignators, tables, skippedRows } = reading
  warnOfRepeats(lines)
  const figures = {
    encoding,
    delimiter: DELIMITER_NAMES[delimiter] ?? delimiter,
    headerLine: header.line,
    columns: header.texts,
    ...countLines(lines, hasMarkers),
    distinctDesignators,
    tables,
    skippedRows
  }
  const guess: Warning[] = warning === undefined ? [] : [{ source: 'bom', message: warning }]
  return { figures, lines, warnings: [...guess, ...reading.warnings.list()] }
}

/** The figures that follow from the part lines (section 10). `dnpLines` is null without a DNP column (rule 9.1). */
function countLines(lines: PartLine[], hasMarkerColumn: boolean) {
  const quantityWarnings: { line: number; designators: number; quantity: number }[] = []
  let [totalQuantity, populatedQuantity, dnpLines, dnpValueLines, dnpOtherLines] = [0, 0, 0, 0, 0]

  for (const line of lines) {
    const { row, designators, quantity, dnp } = line
    totalQuantity += quantity
    if (!isDnp(line)) populatedQuantity += quantity
    if (dnp.marker) dnpLines++
    if (dnp.value) dnpValueLines++
    if (dnp.other) dnpOtherLines++
    if (line.quantityDiffers) quantityWarnings.push({ line: row, designators: designators.length, quantity })
  }

  return {
    partLines: lines.length,
    totalQuantity: round(totalQuantity),
    dnpLines: hasMarkerColumn ? dnpLines : null,
    dnpValueLines,
    dnpOtherLines,
    populatedQuantity: round(populatedQuantity),
    quantityWarnings
  }
}

/** A designator on two lines is an alternate part, or an error (rule 6.6). */
function warnOfRepeats(lines: PartLine[]) {
  const seen = new Set<string>()
  for (const { designators, warnings } of lines) {
    const repeated = designators.filter((name) => seen.has(name))
    if (repeated.length > 0) warnings.push(say('designatorRepeated', quote(repeated.slice(0, 10).join(', '))))
    for (const name of designators) seen.add(name)
  }
}
