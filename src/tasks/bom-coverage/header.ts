import { clip } from './cell.ts'
import { namesCommonParts } from './designators.ts'
import type { CsvRecord } from './records.ts'
import { markers, roleWords, weakWords } from './words.ts'

export type Role = keyof typeof roleWords

/** What a header cell means: a role, and its word's place among the role's words; a weak word's place among those. */
interface Meaning {
  word: string
  role?: Role
  rank: number
  weak?: number
}

/** Where a table's columns are. */
export interface Header {
  line: number
  /** The header cells as they are written. */
  cells: string[]
  /** How many of them are filled. */
  filled: number
  /** For each role found its columns, the first before those that stand in for it (rule 4.7). */
  columns: Map<Role, number[]>
  /** The header cells of the first columns. */
  texts: Partial<Record<Role, string>>
  /** Columns in which a DNP word is read by rules of their own (rules 9.2 to 9.6). */
  marking: Set<number>
  /** Positive marker columns that also hold other things than yes and no (rule 9.3). */
  mild: Set<number>
}

/** Folds spelling: `Reference(s)` = `reference s`, `Manf#` = `manf no`, `Qté` = `qte` (rule 4.1). */
export function normalise(cell: string) {
  const plain = /^[\0-\x7f]*$/.test(cell)
  const folded = plain ? cell.toLowerCase() : foldLetters(cell)
  return folded
    .replaceAll('#', ' no ')
    .replace(plain ? /[^a-z0-9]+/g : /[^\p{L}\p{N}]+/gu, ' ')
    .trim()
}

const SPELT_OUT = new Map([
  ['ß', 'ss'],
  ['ł', 'l'],
  ['ø', 'o'],
  ['æ', 'ae'],
  ['đ', 'd'],
  ['ı', 'i']
])

function foldLetters(text: string) {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[ßłøæđı]/g, (letter) => SPELT_OUT.get(letter) ?? letter)
}

const meanings = new Map<string, Meaning>()
for (const [role, words] of Object.entries(roleWords)) {
  for (const [rank, written] of words.entries()) {
    const word = normalise(written)
    // Object.entries forgets that the keys are exactly the roles.
    meanings.set(word, { word, role: role as Role, rank })
  }
}
for (const [weak, written] of weakWords.entries()) {
  const word = normalise(written)
  meanings.set(word, { word, rank: 0, ...meanings.get(word), weak })
}
const mildWords = new Set(markers.mild)

// What a heading may come to; anything longer is prose.
const LONGEST = 200

/** What a header cell says, also where it says it in two scripts: `数量 (Qty)`. */
export function meaningOf(cell: string): Meaning | undefined {
  if (cell === '' || cell.length > LONGEST) return undefined
  const word = normalise(cell)
  const { other, latin } = splitScripts(word)
  return meanings.get(word) ?? (other && latin ? (meanings.get(other) ?? meanings.get(latin)) : undefined)
}

/** Whether all of the text is a word. */
export function isWord(text: string) {
  return text.length <= LONGEST && meanings.has(normalise(text))
}

/** Whether the cell is a word by letters outside a-z: only the right encoding makes one (rule 1.3 a). */
export function isForeignWord(cell: string) {
  if (cell.length > LONGEST || !/(?![a-z])\p{L}/iu.test(cell)) return false
  const word = normalise(cell)
  return meanings.has(word) || meanings.has(splitScripts(word).other)
}

function splitScripts(word: string) {
  if (/^[a-z0-9 ]*$/.test(word)) return { other: '', latin: word }
  return {
    other: (word.match(/[^\p{Script=Latin}\p{N} ]+/gu) ?? []).join(' '),
    latin: (word.match(/[\p{Script=Latin}\p{N}]+/gu) ?? []).join(' ')
  }
}

// What a spreadsheet can hold; a row of millions of cells is no header, and would cost much memory as one.
const WIDEST = 16_384

const MARKING: Role[] = ['designator', 'quantity', 'value', 'dnpNegative', 'dnpPositive']

/** The header in these cells, if they are one: two roles besides DNP markers, one of them designator or quantity. */
export function readHeader(
  line: number,
  cells: string[],
  below: () => CsvRecord[] = () => []
): Header | undefined {
  const columns = findRoles(cells, below)
  const markerRoles = Number(columns.has('dnpNegative')) + Number(columns.has('dnpPositive'))
  if (columns.size - markerRoles < 2 || !(columns.has('designator') || columns.has('quantity')))
    return undefined

  const texts: Header['texts'] = {}
  const inOrder = [...columns].sort(([, [a = 0]], [, [b = 0]]) => a - b)
  for (const [role, [column = 0]] of inOrder) texts[role] = clip(cells[column] ?? '')
  const isMild = (column: number) => mildWords.has(meaningOf(cells[column] ?? '')?.word ?? '')
  return {
    line,
    cells,
    filled: cells.filter((cell) => cell !== '').length,
    columns,
    texts,
    marking: new Set(MARKING.flatMap((role) => columns.get(role) ?? [])),
    mild: new Set(columns.get('dnpPositive')?.filter(isMild))
  }
}

/** The roles that these cells head, each with its columns; `below` are the records that may be its rows. */
export function findRoles(cells: string[], below: () => CsvRecord[]): Map<Role, number[]> {
  const columns = new Map<Role, number[]>()
  if (cells.length > WIDEST) return columns
  const found = cells.flatMap((cell, column) => {
    const meaning = meaningOf(cell)
    return meaning ? [{ ...meaning, column }] : []
  })
  if (found.length < 2) return columns

  const isNamed = found.some(({ role }) => role === 'designator')
  const weakDesignator = isNamed ? undefined : findWeakDesignator(found, below)
  if (weakDesignator !== undefined) columns.set('designator', [weakDesignator])

  const ranks = new Map<Role, number>()
  for (const { role, rank, column } of found.sort((a, b) => a.rank - b.rank || a.column - b.column)) {
    if (role === undefined || column === weakDesignator) continue
    const before = columns.get(role)
    if (!before) {
      columns.set(role, [column])
      ranks.set(role, rank)
      // An `Order Qty` is no quantity for one board (rule 4.7).
    } else if ((role !== 'designator' && role !== 'quantity') || rank === ranks.get(role)) before.push(column)
  }

  const part = found.sort(byWeakness).find(({ weak, column }) => isPart(weak) && column !== weakDesignator)
  if (part && !columns.has('value')) columns.set('value', [part.column])
  return columns
}

interface Found extends Meaning {
  column: number
}

function byWeakness(a: Found, b: Found) {
  return (a.weak ?? 0) - (b.weak ?? 0) || a.column - b.column
}

const PART = weakWords.indexOf('part')
const PARTS = weakWords.indexOf('parts')
function isPart(weak: number | undefined) {
  return weak === PART || weak === PARTS
}

/** The column that heads designators with a word that often heads something else (rule 4.5). */
function findWeakDesignator(found: Found[], below: () => CsvRecord[]): number | undefined {
  // A row of a thousand such words is no header, and each is looked for in 200 records.
  const weak = found
    .filter((heading) => heading.weak !== undefined)
    .sort(byWeakness)
    .slice(0, 20)
  if (weak.length === 0) return undefined
  const rows = below().map(({ cells }) => ({ cells, looks: looksOf(cells) }))
  const parts = found.some(({ role }) => role === 'value')
    ? weak.find((one) => one.weak === PARTS)
    : undefined
  return (weak.find(({ column }) => holdsDesignators(rows, column)) ?? parts)?.column
}

/** For each cell of a record, once it was asked for, whether it holds common designators only. */
type Looks = (boolean | undefined)[]

// A file may have as many header rows as records, and each asks about the records below it.
const known = new WeakMap<string[], Looks>()

function looksOf(cells: string[]) {
  const looks = known.get(cells) ?? []
  if (looks.length === 0) known.set(cells, looks)
  return looks
}

function holdsDesignators(rows: { cells: string[]; looks: Looks }[], column: number) {
  let filled = 0
  let alike = 0
  for (const { cells, looks } of rows) {
    const cell = cells[column] ?? ''
    if (cell === '') continue
    looks[column] ??= namesCommonParts(cell)
    filled++
    if (looks[column]) alike++
  }
  return filled > 0 && alike >= filled / 2
}
