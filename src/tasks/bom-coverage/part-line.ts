import { isPlaceholder } from './cell.ts'
import { type DesignatorBudget, readDesignators } from './designators.ts'
import { dropDnpWords, findDnpWord, isDnpWord, readMarker } from './dnp.ts'
import type { Header, Role } from './header.ts'
import { packageKey, sizeInTexts } from './package-name.ts'
import { readQuantity } from './quantity.ts'
import { quote, say } from './warnings.ts'

/** One part line, its cells as written; `quantity` is for one board. */
export type PartLine = ReturnType<typeof readPartLine>

/** What a line is besides its own cells. */
interface Context {
  budget: DesignatorBudget
  /** It stands under a heading that says so (rule 9.7). */
  underDnpHeading: boolean
  /** Its designators, if more than its own cell holds (rule 5.4 a). */
  designatorCell?: string | undefined
}

/** Reads a row that no other rule skips. Without designators and quantity it is no part line (rule 5.7). */
export function readPartLine(row: number, cells: string[], header: Header, context: Context) {
  const { budget, underDnpHeading, designatorCell = cellOf('designator', cells, header) } = context
  const warnings: string[] = []
  const quantityCell = cellOf('quantity', cells, header)
  const dnpQuantity = findDnpWord(quantityCell) !== undefined
  const stated = readQuantity(dnpQuantity ? dropDnpWords(quantityCell) : quantityCell)
  const { names, marked, allMarked, unclear } = readDesignators(designatorCell, stated, budget)
  const placed = allMarked ? names.length : names.length - marked
  const countsAll = stated === undefined || stated === names.length

  if (/^(?:#|\/\/)/.test(designatorCell) && cells.find((cell) => cell !== '') === designatorCell)
    warnings.push(say('commentSign'))
  for (const name of unclear.slice(0, 10)) warnings.push(say('designatorUnclear', quote(name)))
  if (stated === undefined && !dnpQuantity && !isPlaceholder(quantityCell))
    warnings.push(say('quantityUnclear', quote(quantityCell)))
  // The quantity is believed all the same (rule 7.5).
  const quantityDiffers = names.length > 0 && !countsAll && (placed === names.length || stated !== placed)
  if (quantityDiffers) warnings.push(say('quantityDiffers', stated, names.length))
  if (placed < names.length) warnings.push(say('someNotPlaced', marked, names.length))

  const value = cellOf('value', cells, header)
  const description = cellOf('description', cells, header)
  const packageCell = cellOf('package', cells, header)
  const size = isPlaceholder(packageCell) ? sizeInTexts(names, value, description) : undefined
  if (packageKey(packageCell) === undefined) warnings.push(say('severalPackages', quote(packageCell)))
  const manufacturerCode = cellOf('mpn', cells, header)
  for (const cell of [manufacturerCode, value]) {
    if (isDestroyed(cell)) warnings.push(say('numberDestroyed', quote(cell)))
  }

  const elsewhere = findElsewhere(cells, header)
  // What marks the line as not placed (rules 9.2 to 9.7).
  const dnp = {
    marker: readMarkers(cells, header, warnings),
    value: header.columns.get('value')?.some((column) => findDnpWord(cells[column] ?? '')) ?? false,
    other: dnpQuantity || allMarked || underDnpHeading || elsewhere.marks
  }
  if (elsewhere.word !== undefined && !dnp.marker && !dnp.value && !dnp.other)
    warnings.push(say('dnpElsewhere', quote(elsewhere.word)))

  return {
    row,
    designators: names,
    quantity: countsAll ? placed : stated,
    value,
    package: size ?? packageCell,
    packageFromText: size !== undefined,
    manufacturerCode,
    description,
    dnp,
    quantityDiffers,
    warnings
  }
}

/** The cell of a role: of the first of its columns that says something (rule 4.7). */
export function cellOf(role: Role, cells: string[], header: Header) {
  const columns = header.columns.get(role) ?? []
  const column = columns.find((one) => !isPlaceholder(cells[one] ?? '')) ?? columns[0]
  return (column === undefined ? undefined : cells[column]) ?? ''
}

/** Whether a marker column says that the part is not placed (rules 9.2 and 9.3). */
function readMarkers(cells: string[], header: Header, warnings: string[]) {
  let marked = false
  for (const role of ['dnpNegative', 'dnpPositive'] as const) {
    for (const column of header.columns.get(role) ?? []) {
      const cell = cells[column] ?? ''
      const says = readMarker(cell, role === 'dnpPositive')
      marked ||= says === 'dnp'
      if (says === 'unclear' && !header.mild.has(column))
        warnings.push(say('markerUnclear', quote(cell), quote(header.cells[column] ?? '')))
    }
  }
  return marked
}

/** DNP words in all the other columns: alone in a cell they mark the line, as a part of it they do not (9.5, 9.8). */
function findElsewhere(cells: string[], header: Header) {
  let marks = false
  let word: string | undefined
  for (const [column, cell] of cells.entries()) {
    if (cell === '' || header.marking.has(column)) continue
    if (isDnpWord(cell)) marks = true
    else word ??= findDnpWord(cell)?.word
  }
  return { marks, word }
}

/** A number such as `4.52403E+11`, which was a code or an exact value before a spreadsheet opened the file. */
export function isDestroyed(cell: string) {
  return /^\d(?:[.,]\d+)?E\+\d+$/i.test(cell)
}

/** What is lost with a row that rule 5.7 skips, if it is more than prices and zeros. */
export function describeLoss({ manufacturerCode, value, warnings }: PartLine): string | undefined {
  const part = [manufacturerCode, value].find((cell) => !isPlaceholder(cell))
  return part === undefined ? warnings[0] : say('partLost', quote(part))
}

/** Whether the line is marked in any way, so that it needs no stock (rule 9.9). */
export function isDnp({ dnp }: PartLine) {
  return dnp.marker || dnp.value || dnp.other
}
