import { clip, isPlaceholder } from './cell.ts'
import { type DesignatorBudget, readDesignators } from './designators.ts'
import { deniesFitting, hasDnpWord, marksDnp } from './dnp.ts'
import type { Header, Role } from './header.ts'
import { readQuantity } from './quantity.ts'

/** One part line, its cells as written; `quantity` is for one board. */
export interface PartLine {
  row: number
  designators: string[]
  quantity: number
  value: string
  package: string
  manufacturerCode: string
  description: string
  /** Marked in a DNP column (rules 9.2, 9.3). */
  dnpMarked: boolean
  /** Marked by a DNP word in its value (rule 9.5). */
  dnpValue: boolean
  /** The quantity cell differs from the designators named (rule 7.4); the cell is believed. */
  quantityDiffers: boolean
  warnings: string[]
}

/** Reads a row that no other rule skips. Without designators and quantity it is no part line (rule 5.7). */
export function readPartLine(
  row: number,
  cells: string[],
  header: Header,
  budget: DesignatorBudget
): PartLine {
  const warnings: string[] = []
  const designators = readDesignators(cellOf('designator', cells, header), budget)
  const quantityCell = cellOf('quantity', cells, header)
  const stated = readQuantity(quantityCell)
  const quantityDiffers = stated !== undefined && designators.length > 0 && stated !== designators.length
  if (stated === undefined && !isPlaceholder(quantityCell)) {
    warnings.push(`the quantity ${quote(quantityCell)} is no number: the designators were counted`)
  }
  if (quantityDiffers)
    warnings.push(`the quantity is ${stated}, the designators named are ${designators.length}`)

  const value = cellOf('value', cells, header)
  const deniesFit = deniesFitting(cellOf('dnpPositive', cells, header))
  return {
    row,
    designators,
    quantity: stated ?? designators.length,
    value,
    package: cellOf('package', cells, header),
    manufacturerCode: cellOf('mpn', cells, header),
    description: cellOf('description', cells, header),
    dnpMarked: marksDnp(cellOf('dnpNegative', cells, header)) || deniesFit,
    dnpValue: hasDnpWord(value),
    quantityDiffers,
    warnings
  }
}

function cellOf(role: Role, cells: string[], header: Header) {
  const column = header.columns.get(role)
  return (column === undefined ? undefined : cells[column]) ?? ''
}

/** What is lost with a row that rule 5.7 skips, if it is more than prices and zeros. */
export function describeLoss({ manufacturerCode, value, warnings }: PartLine): string | undefined {
  const part = [manufacturerCode, value].find((cell) => !isPlaceholder(cell))
  if (part === undefined && warnings.length === 0) return undefined
  const name = part === undefined ? '' : ` (${quote(part)})`
  return `it names no designator and no quantity above 0, so it is no part line${name}`
}

function quote(cell: string) {
  return JSON.stringify(clip(cell, 60))
}
