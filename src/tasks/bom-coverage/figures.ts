import type { Encoding } from './decode.ts'
import type { Role } from './header.ts'
import type { PartLine } from './part-line.ts'
import { round } from './quantity.ts'
import type { SkippedRows } from './row-kind.ts'

/** What a BOM file comes to (section 10). `dnpLines` is null when the file has no DNP column. */
export interface Figures {
  encoding: Encoding
  /** `comma`, `semicolon`, `tab`, `pipe`, or the character that a first line `sep=X` names. */
  delimiter: string
  headerLine: number
  columns: Partial<Record<Role, string>>
  partLines: number
  totalQuantity: number
  distinctDesignators: number
  dnpLines: number | null
  dnpValueLines: number
  /** Lines marked by their quantity, their designators, a heading, or a DNP word alone in any other cell. */
  dnpOtherLines: number
  populatedQuantity: number
  quantityWarnings: { line: number; designators: number; quantity: number }[]
  tables: number
  skippedRows: SkippedRows
}

/** The figures that follow from the part lines. */
export function countLines(lines: PartLine[], hasMarkerColumn: boolean) {
  const quantityWarnings: Figures['quantityWarnings'] = []
  let [totalQuantity, populatedQuantity, dnpLines, dnpValueLines, dnpOtherLines] = [0, 0, 0, 0, 0]

  for (const line of lines) {
    totalQuantity += line.quantity
    if (!isDnp(line)) populatedQuantity += line.quantity
    if (line.dnp.marker) dnpLines++
    if (line.dnp.value) dnpValueLines++
    if (line.dnp.other) dnpOtherLines++
    if (line.quantityDiffers) {
      quantityWarnings.push({ line: line.row, designators: line.designators.length, quantity: line.quantity })
    }
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

/** Whether the line is marked in any way, so that it needs no stock (rule 9.9). */
export function isDnp({ dnp }: PartLine) {
  return dnp.marker || dnp.value || dnp.other
}
