import { maxResultBytes } from '../../task-type.ts'
import type { CoverageResult, ResultLine, ShoppingItem } from './result.ts'
import { say, type Warning } from './warnings.ts'

// What is left is a margin.
const LIMIT = maxResultBytes - 16 * 1024

interface FullResult extends CoverageResult {
  lines: ResultLine[]
  shoppingList: ShoppingItem[]
}

type LineKeys = readonly (keyof ResultLine)[]
type ItemKeys = readonly (keyof ShoppingItem)[]
const ALONE: LineKeys = ['row', 'status', 'shortage']
const FOUND: LineKeys = ['status', 'available', 'shortage', 'locations', 'warnings']
const PART: LineKeys = ['value', 'package', 'manufacturerCode', 'dnp']
const CODE: ItemKeys = ['manufacturerCode', 'quantity']
const ITEM_WITHOUT_DESIGNATORS: ItemKeys = ['manufacturerCode', 'value', 'package', 'quantity']
const WHOLE_ITEM: ItemKeys = [...ITEM_WITHOUT_DESIGNATORS, 'designators']
/** Ways to write a large result shorter, the mildest first: what is left of a line and of a shopping item. */
const SHORTENINGS: { line: LineKeys; item: ItemKeys }[] = [
  { line: ['row', 'designators', 'quantityPerBoard', 'needed', ...PART, ...FOUND], item: WHOLE_ITEM },
  { line: ['row', 'needed', ...FOUND], item: WHOLE_ITEM },
  { line: [...ALONE, 'locations'], item: WHOLE_ITEM },
  { line: ALONE, item: WHOLE_ITEM },
  { line: ALONE, item: ITEM_WITHOUT_DESIGNATORS }
]

/** The entry's values of these keys, without what is empty or 0. */
function pick<Entry extends object>(entry: Entry, keys: readonly (keyof Entry)[]): Partial<Entry> {
  const picked: Partial<Entry> = {}
  for (const key of keys) {
    const value = entry[key]
    if (Array.isArray(value) ? value.length > 0 : value) picked[key] = value
  }
  return picked
}

/** Makes a result fit, shorter line by line and only then with lists cut; figures and totals count everything. */
export function fitResult(result: FullResult): CoverageResult {
  if (fits(result)) return result

  const warned = result.lines.filter(({ warnings }) => warnings.length > 0)
  let shortened: CoverageResult = result
  for (const { line, item } of SHORTENINGS) {
    const warnings = [...result.warnings, warn('shortened', line.join(', '), item.join(', '))]
    const [first] = warned
    if (first && !line.includes('warnings')) warnings.push(warn('warningsLeftOut', warned.length, first.row))
    const lines = result.lines.map((one) => pick(one, line))
    const shoppingList = result.shoppingList.map((one) =>
      pick(one, item === ITEM_WITHOUT_DESIGNATORS && one.manufacturerCode ? CODE : item)
    )
    shortened = { ...result, lines, shoppingList, warnings }
    if (fits(shortened)) return shortened
  }
  return cutLists(shortened)
}

function cutLists(result: CoverageResult): CoverageResult {
  const { figures } = result
  const wanting = result.lines.filter(({ status }) => status !== 'enough' && status !== 'not-placed')
  const empty = { ...result, figures: { ...figures, quantityWarnings: [] }, lines: [], shoppingList: [] }
  const room = LIMIT - sizeOf(empty) - 1024

  const quantityWarnings = firstThatFit(figures.quantityWarnings, room / 8)
  const shoppingList = firstThatFit(result.shoppingList, room / 2)
  const lines = firstThatFit(wanting, room - sizeOf(quantityWarnings) - sizeOf(shoppingList))
  const cuts = [
    ['figures.quantityWarnings', quantityWarnings, figures.quantityWarnings],
    ['shoppingList', shoppingList, result.shoppingList],
    ['lines (those that are enough or not placed left out first)', lines, result.lines]
  ] as const
  const said = cuts.flatMap(([list, kept, all]) =>
    kept.length < all.length ? [warn('cut', kept.length, all.length, list)] : []
  )
  const warnings = [...result.warnings, ...said]
  return { ...result, figures: { ...figures, quantityWarnings }, lines, shoppingList, warnings }
}

function firstThatFit<Item>(items: Item[], bytes: number): Item[] {
  let left = bytes
  const end = items.findIndex((item) => {
    left -= sizeOf(item) + 1
    return left < 0
  })
  return end === -1 ? items : items.slice(0, end)
}

function warn(...about: Parameters<typeof say>): Warning {
  return { source: 'result', message: say(...about) }
}

/** Counts line by line, so that a result far too large is given up early. */
function fits({ lines, shoppingList, ...rest }: CoverageResult) {
  const entries = [...lines, ...shoppingList]
  return firstThatFit<unknown>(entries, LIMIT - sizeOf(rest)) === entries
}

function sizeOf(value: unknown) {
  return Buffer.byteLength(JSON.stringify(value))
}
