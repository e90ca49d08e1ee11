import { isPlaceholder, isProse } from './cell.ts'
import { failure } from './failure.ts'

/** What the designators of one BOM may come to: a few bytes such as `R1-R9999` stand for thousands of them. */
export interface DesignatorBudget {
  names: number
  characters: number
}

export const designatorBudget = (): DesignatorBudget => ({ names: 500_000, characters: 20_000_000 })

const ITEM = /[^,;|\t\r\n]+/g
const PIECE = /\S+/g
const DESIGNATOR = /^[\p{L}_]+\d+[\p{L}\d_.]*$/u
const RANGE = /^([\p{L}_]+)(\d+)\s*(?:-|\.\.|[–—~])\s*([\p{L}_]+)?(\d+)$/u
const LONGEST_RANGE = 10_000
// Past 15 digits, numbers are no longer exact: such an item is one literal designator.
const LONGEST_NUMBER = 15

/**
 * Names the designators of a cell in its order, repeats included (section 6).
 * @throws BOM_TOO_LARGE when the budget, shared by all cells of the file, is used up
 */
export function readDesignators(cell: string, budget: DesignatorBudget): string[] {
  const names: string[] = []
  if (isPlaceholder(cell)) return names

  for (const [raw] of cell.matchAll(ITEM)) {
    const item = raw.trim()
    if (isPlaceholder(item) || addRange(item, names, budget)) continue
    if (!/\s/.test(item)) add(item, names, budget)
    else if (!addPieces(item, names, budget))
      add(isProse(item) ? item : item.replace(/\s+/g, ' '), names, budget)
  }
  return names
}

/** Adds `C1 C2 R5-R9` piece by piece; false, with nothing added, if a piece does not look like a designator. */
function addPieces(item: string, names: string[], budget: DesignatorBudget) {
  for (const [piece] of item.matchAll(PIECE)) {
    if (!DESIGNATOR.test(piece) && !RANGE.test(piece)) return false
  }
  for (const [piece] of item.matchAll(PIECE)) {
    if (!addRange(piece, names, budget)) add(piece, names, budget)
  }
  return true
}

/** Adds all of `R5-R9`; false, with nothing added, if the item is no range (rule 6.5). */
function addRange(item: string, names: string[], budget: DesignatorBudget) {
  const match = RANGE.exec(item)
  if (!match) return false

  const [, prefix = '', from = '', again = prefix, to = ''] = match
  const first = Number(from)
  const last = Number(to)
  if (again !== prefix || from.length > LONGEST_NUMBER || to.length > LONGEST_NUMBER) return false
  if (first >= last || last - first >= LONGEST_RANGE) return false

  const width = from.startsWith('0') ? from.length : 0
  for (let number = first; number <= last; number++) {
    add(prefix + String(number).padStart(width, '0'), names, budget)
  }
  return true
}

function add(name: string, names: string[], budget: DesignatorBudget) {
  budget.names--
  budget.characters -= name.length
  if (budget.names < 0 || budget.characters < 0) {
    const limits = designatorBudget()
    throw failure(
      'BOM_TOO_LARGE',
      `The BOM names more than ${limits.names} designators (ranges counted in full), or their names are longer than ${limits.characters} characters`
    )
  }
  names.push(name)
}
