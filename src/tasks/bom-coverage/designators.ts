import { anyOf, isPlaceholder, isProse } from './cell.ts'
import { dropDnpWords, findDnpWord } from './dnp.ts'
import { failure } from './failure.ts'
import { commonPrefixes, listWords, rangeWords } from './words.ts'

/** What the designators of one BOM may come to: a few bytes such as `R1-R9999` stand for thousands of them. */
export const designatorBudget = () => ({ names: 500_000, characters: 20_000_000 })
export type DesignatorBudget = ReturnType<typeof designatorBudget>

/** The designators that a cell names, in its order, repeats included (section 6). */
interface Designators {
  names: string[]
  /** How many of them a DNP word marks (rule 9.6). */
  marked: number
  /** A DNP word marks all of them, or stands where none is named. */
  allMarked: boolean
  /** Items that may stand for several designators and were taken for one (rules 6.3 d and 6.5). */
  unclear: string[]
  /** Whether all items look like designators (rule 6.3). */
  alike: boolean
}

type Piece = string | { prefix: string; first: number; last: number; width: number }
type Item = { pieces: Piece[]; unclear: boolean }

const LETTER = 'A-Za-zÀ-ÖØ-öø-ɏЀ-ӿ_'
const PREFIX = `[${LETTER}]+\\$?`
const LOOKS = new RegExp(`^${PREFIX}\\d+[${LETTER}\\d.]*$`)
// Nearly all items; nothing else needs to be known of these.
const PLAIN = /^[A-Za-z]+\d+$/
const COMMON = new RegExp(`^(?:[A-HJ-NP-Z]|${anyOf(commonPrefixes)})\\d{1,4}[A-Z]?$`)

const ITEM = /[^,;|\t\r\n，；、｜]+/g
const RANGE_SIGN = '(?:[-=]>|[-‐‑–—−~～〜…→]|\\.{2,3}|[至到]|から)'
const RANGE_BODY = `(${PREFIX})(\\d+)(?:(?: ?${RANGE_SIGN} ?| ${anyOf(rangeWords)} )(${PREFIX})?| ?: ?(${PREFIX}))(\\d+)`
const RANGE = new RegExp(`^${RANGE_BODY}$`, 'i')
const INNER_RANGE = new RegExp(`(?<![${LETTER}\\d$.])${RANGE_BODY}(?![${LETTER}\\d])`, 'gi')
const LIST_SIGNS = '[/&+／＆＋和与與及と]'
const LIST_SIGN = new RegExp(`${LIST_SIGNS}|(?<= )${anyOf(listWords)}(?= )`, 'gi')
const LIST_SIGN_BETWEEN_BLANKS = new RegExp(`(?<= )(?:${LIST_SIGNS}|${anyOf(listWords)})(?= )`, 'i')
const ANY_SIGN = new RegExp(`${LIST_SIGNS}|[: ]|${RANGE_SIGN}`)

const LONGEST_RANGE = 10_000
// Thousands of designators between blanks; what is longer is no list, and its pieces might not fit the memory.
const LONGEST_ITEM = 100_000
// Past 15 digits, numbers are no longer exact: such an item is one literal designator.
const LONGEST_NUMBER = 15

/** Reads a designator cell; `quantity` is what the quantity cell says, `budget` is shared by all cells of the file. */
export function readDesignators(cell: string, quantity: number | undefined, budget: DesignatorBudget) {
  const read: Designators = { names: [], marked: 0, allMarked: false, unclear: [], alike: true }
  const items = splitItems(cell)
  for (const [index, item] of items.entries()) {
    if (PLAIN.test(item)) {
      add(item, read.names, budget)
      continue
    }

    const dnp = findDnpWord(item)
    const name = dnp ? dropDnpWords(item) : item.replace(/\s+/g, ' ')
    // At the very beginning of the cell, or alone in an item, it marks the whole cell.
    if (dnp && (name === '' || (index === 0 && !/[\p{L}\p{N}]/u.test(item.slice(0, dnp.index)))))
      read.allMarked = true
    if (name === '') continue

    const before = read.names.length
    const { pieces, unclear } = readItem(name, items.length === 1 ? quantity : undefined)
    if (unclear) read.unclear.push(name)
    for (const piece of pieces) {
      read.alike &&= typeof piece !== 'string' || LOOKS.test(piece)
      expand(piece, read.names, budget)
    }
    if (dnp) read.marked += read.names.length - before
  }
  read.allMarked ||= read.marked > 0 && read.marked === read.names.length
  if (read.allMarked) read.marked = read.names.length
  return read
}

/** Whether a cell holds common designators and nothing else (rule 4.5). */
export function namesCommonParts(cell: string) {
  const pieces = splitItems(cell).flatMap((item) => readItem(item.replace(/\s+/g, ' ')).pieces)
  const names = pieces.flatMap((piece) =>
    typeof piece === 'string' ? [piece] : [piece.prefix + piece.first, piece.prefix + piece.last]
  )
  return names.length > 0 && names.every((name) => COMMON.test(name))
}

/** Rules 6.1 and 6.2. */
function splitItems(cell: string) {
  if (isPlaceholder(cell)) return []
  const items = cell.match(ITEM) ?? []
  return items.map((item) => item.trim()).filter((item) => !isPlaceholder(item))
}

/** The pieces of one item, its blanks folded, by the first reading of rule 6.3 that fits. */
function readItem(item: string, quantity?: number): Item {
  if (PLAIN.test(item)) return { pieces: [item], unclear: false }
  if (item.length > LONGEST_ITEM) return { pieces: [item], unclear: true }
  const range = readRange(item)
  if (range) return range

  // `$3` or `$4` is the second prefix, if there is one.
  const spaced = item.replace(INNER_RANGE, '$1$2-$3$4$5').replace(LIST_SIGN, ' ')
  const listed = spaced.split(' ').filter((piece) => piece !== '')
  if (listed.length > 1 && listed.every((piece) => LOOKS.test(piece) || RANGE.test(piece))) {
    const read = listed.map((piece) => readRange(piece) ?? { pieces: [piece], unclear: false })
    return { pieces: read.flatMap(({ pieces }) => pieces), unclear: read.some(({ unclear }) => unclear) }
  }

  const parts = item.split(/ [/&+] /)
  if (parts.length > 1 && parts.length === quantity) return { pieces: parts, unclear: false }
  return { pieces: [item], unclear: mayBeSeveral(item) }
}

/** An item of the form of a range: all of it, or one literal designator where it goes nowhere (rule 6.5). */
function readRange(item: string): Item | undefined {
  const match = RANGE.exec(item)
  if (!match) return undefined

  const [, prefix = '', from = '', after, afterColon, to = ''] = match
  const second = after ?? afterColon
  const [first, last] = [Number(from), Number(to)]
  const exact = from.length <= LONGEST_NUMBER && to.length <= LONGEST_NUMBER
  if ((second ?? prefix) !== prefix || !exact || first >= last || last - first >= LONGEST_RANGE)
    return { pieces: [item], unclear: second !== undefined || first < last }
  return { pieces: [{ prefix, first, last, width: from.startsWith('0') ? from.length : 0 }], unclear: false }
}

function mayBeSeveral(item: string) {
  if (isProse(item) || LIST_SIGN_BETWEEN_BLANKS.test(item)) return true
  const alike = item.split(ANY_SIGN).filter((part) => LOOKS.test(part)).length
  return alike > 1 || (alike === 1 && /[ /&+]/.test(item))
}

function expand(piece: Piece, names: string[], budget: DesignatorBudget) {
  if (typeof piece === 'string') return add(piece, names, budget)
  for (let number = piece.first; number <= piece.last; number++) {
    add(piece.prefix + String(number).padStart(piece.width, '0'), names, budget)
  }
}

function add(name: string, names: string[], budget: DesignatorBudget) {
  budget.names--
  budget.characters -= name.length
  if (budget.names < 0 || budget.characters < 0) {
    const most = designatorBudget()
    const longer = `or their names are longer than ${most.characters} characters`
    throw failure(
      'BOM_TOO_LARGE',
      `The BOM names more than ${most.names} designators (ranges counted in full), ${longer}`
    )
  }
  names.push(name)
}
