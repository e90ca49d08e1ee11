import { maxResultBytes } from '../../task-type.ts'
import type { CoverageResult, ResultLine } from './result.ts'
import type { ShoppingItem } from './shopping-list.ts'
import { say, type Warning } from './warnings.ts'

// What is left is a margin.
const LIMIT = maxResultBytes - 16 * 1024

/** A result before it is made to fit. */
export interface FullResult extends CoverageResult {
  lines: ResultLine[]
  shoppingList: ShoppingItem[]
}

const ALONE = ['row', 'status', 'shortage'] as const
const ITEM = ['manufacturerCode', 'value', 'package', 'quantity'] as const
const CODE = ['manufacturerCode', 'quantity'] as const
const LINE = [
  'row',
  'designators',
  'quantityPerBoard',
  'needed',
  'value',
  'package',
  'manufacturerCode',
  'dnp'
] as const
const FOUND = ['status', 'available', 'shortage', 'locations', 'warnings'] as const
/** Ways to write a large result shorter, the mildest first: what is left of a line and of a shopping item. */
const SHORTENINGS: { line: readonly (keyof ResultLine)[]; item: readonly (keyof ShoppingItem)[] }[] = [
  { line: [...LINE, ...FOUND], item: [...ITEM, 'designators'] },
  { line: ['row', 'needed', ...FOUND], item: [...ITEM, 'designators'] },
  { line: [...ALONE, 'locations'], item: [...ITEM, 'designators'] },
  { line: ALONE, item: [...ITEM, 'designators'] },
  { line: ALONE, item: ITEM }
]

/** What is said under these keys, without what is empty or 0. */
function pick<Entry extends object>(entry: Entry, keys: readonly (keyof Entry)[]): Partial<Entry> {
  const picked: Partial<Entry> = {}
  for (const key of keys) {
    const value = entry[key]
    if (Array.isArray(value) ? value.length > 0 : value) picked[key] = value
  }
  return picked
}

/**
 * Makes a result fit: full if it can be, else shorter line by line, and only then with lists cut off. Figures and
 * totals always count everything, and a warning says what was left out.
 */
export function fitResult(result: FullResult): CoverageResult {
  if (fits(result)) return result

  const warned = result.lines.filter(({ warnings }) => warnings.length > 0)
  let shortened: CoverageResult = result
  for (const { line, item } of SHORTENINGS) {
    const lines = result.lines.map((one) => pick(one, line))
    const warnings = [...result.warnings, warn(say('shortened', line.join(', '), item.join(', ')))]
    const [first] = warned
    if (first && !line.includes('warnings'))
      warnings.push(warn(say('warningsLeftOut', warned.length, first.row)))
    shortened = {
      ...result,
      lines,
      shoppingList: result.shoppingList.map((one) =>
        pick(one, item === ITEM && one.manufacturerCode ? CODE : item)
      ),
      warnings
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
    { list: 'figures.quantityWarnings', kept: quantityWarnings, all: figures.quantityWarnings },
    { list: 'shoppingList', kept: items, all: shoppingList },
    { list: 'lines (those that are enough or not placed left out first)', kept, all: lines }
  ]
  const said = cuts
    .filter((cut) => cut.kept.length < cut.all.length)
    .map((cut) => warn(say('cut', cut.kept.length, cut.all.length, cut.list)))
  return {
    ...result,
    figures: { ...figures, quantityWarnings },
    lines: kept,
    shoppingList: items,
    warnings: [...result.warnings, ...said]
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
