import { maxResultBytes } from '../../task-type.ts'
import type { CoverageResult, ResultLine } from './result.ts'
import type { ShoppingItem } from './shopping-list.ts'
import type { Warning } from './warnings.ts'

// What is left is a margin.
const LIMIT = maxResultBytes - 16 * 1024

/** A result before it is made to fit. */
export interface FullResult extends CoverageResult {
  lines: ResultLine[]
  shoppingList: ShoppingItem[]
}

/** One way to write a large result shorter: what it leaves of a line and of a shopping item. */
interface Shortening {
  line: (line: ResultLine) => Partial<ResultLine>
  item: (item: ShoppingItem) => Partial<ShoppingItem>
  says: string
}

const whole = (item: ShoppingItem) => item
const SHORTENINGS: Shortening[] = [
  {
    line: ({ description, ...line }) => line,
    item: whole,
    says: 'the lines come without their description'
  },
  {
    line: ({ row, needed, status, available, shortage, locations, warnings }) => ({
      row,
      needed,
      status,
      ...(status !== 'enough' && status !== 'not-placed' && { available, shortage }),
      ...(locations.length > 0 && { locations }),
      ...(warnings.length > 0 && { warnings })
    }),
    item: whole,
    says: 'the lines come without what the BOM says in the same row, and without empty fields'
  },
  {
    line: ({ row, status, shortage, locations }) => ({
      row,
      status,
      ...(shortage && { shortage }),
      ...(locations.length > 0 && { locations })
    }),
    item: whole,
    says: 'the lines come with row, status, shortage and locations only'
  },
  {
    line: ({ row, status, shortage }) => ({ row, status, ...(shortage && { shortage }) }),
    item: whole,
    says: 'the lines come with row, status and shortage only'
  },
  {
    line: ({ row, status, shortage }) => ({ row, status, ...(shortage && { shortage }) }),
    item: ({ manufacturerCode, value, package: packageName, quantity }) =>
      manufacturerCode ? { manufacturerCode, quantity } : { value, package: packageName, quantity },
    says: 'the lines come with row, status and shortage only, the shopping list without designators'
  }
]

/**
 * Makes a result fit: full if it can be, else shorter line by line, and only then with lists cut off. Figures and
 * totals always count everything, and a warning says what was left out.
 */
export function fitResult(result: FullResult): CoverageResult {
  if (fits(result)) return result

  let shortened: CoverageResult = result
  for (const { line, item, says } of SHORTENINGS) {
    shortened = {
      ...result,
      lines: result.lines.map(line),
      shoppingList: result.shoppingList.map(item),
      warnings: [...result.warnings, warn(`The full result is larger than 1 MiB: ${says}`)]
    }
    if (fits(shortened)) return shortened
  }
  return cutLists(shortened)
}

function cutLists(result: CoverageResult): CoverageResult {
  const { figures, lines, shoppingList } = result
  const wanting = lines.filter(({ status }) => status !== 'enough' && status !== 'not-placed')
  const empty = { ...result, figures: { ...figures, quantityWarnings: [] }, lines: [], shoppingList: [] }
  const room = LIMIT - sizeOf(empty) - 1024

  const quantityWarnings = firstThatFit(figures.quantityWarnings, room / 8)
  const items = firstThatFit(shoppingList, room / 2)
  const kept = firstThatFit(wanting, room - sizeOf(quantityWarnings) - sizeOf(items))
  const cuts = [
    describeCut('figures.quantityWarnings', quantityWarnings.length, figures.quantityWarnings.length),
    describeCut('shoppingList', items.length, shoppingList.length),
    describeCut('lines (those that are enough or not placed left out first)', kept.length, lines.length)
  ]
  return {
    ...result,
    figures: { ...figures, quantityWarnings },
    lines: kept,
    shoppingList: items,
    warnings: [...result.warnings, ...cuts.flatMap((cut) => (cut === undefined ? [] : [warn(cut)]))]
  }
}

function firstThatFit<Item>(items: Item[], bytes: number): Item[] {
  let left = bytes
  const end = items.findIndex((item) => {
    left -= sizeOf(item) + 1
    return left < 0
  })
  return end === -1 ? items : items.slice(0, end)
}

function describeCut(list: string, kept: number, all: number) {
  return kept === all ? undefined : `The result is cut to 1 MiB: it has ${kept} of ${all} entries of ${list}`
}

function warn(message: string): Warning {
  return { source: 'result', message }
}

/** Counts line by line, so that a result far too large is given up early. */
function fits({ lines, shoppingList, ...rest }: CoverageResult) {
  let left = LIMIT - sizeOf(rest)
  const fitsToo = (entry: unknown) => {
    left -= sizeOf(entry) + 1
    return left >= 0
  }
  return lines.every(fitsToo) && shoppingList.every(fitsToo)
}

function sizeOf(value: unknown) {
  return Buffer.byteLength(JSON.stringify(value))
}
