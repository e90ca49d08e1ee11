import { readBest } from './choose-table.ts'
import type { Decoded } from './decode.ts'
import { countLines, type Figures } from './figures.ts'
import type { PartLine } from './part-line.ts'
import { refusal } from './refusal.ts'
import { quote, say, type Warning } from './warnings.ts'

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

/**
 * Reads a bill of materials (the rules are those of docs/bom-coverage.md).
 * @throws BOM_UNREADABLE, BOM_TOO_LARGE
 */
export function readBom({ text, encoding, warning }: Decoded): Bom {
  const table = readBest(text)
  if (!table || table.reading.lines.length === 0) throw refusal(text, table)

  const { delimiter, header, reading } = table
  warnOfRepeats(reading.lines)
  return {
    figures: {
      encoding,
      delimiter: DELIMITER_NAMES.get(delimiter) ?? delimiter,
      headerLine: header.line,
      columns: header.texts,
      ...countLines(reading.lines, reading.hasMarkers),
      distinctDesignators: reading.distinctDesignators,
      tables: reading.tables,
      skippedRows: reading.skippedRows
    },
    lines: reading.lines,
    warnings: [
      ...(warning === undefined ? [] : [{ source: 'bom' as const, message: warning }]),
      ...reading.warnings.list()
    ]
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
