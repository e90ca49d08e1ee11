import { clip } from './cell.ts'
import { namesCommonParts } from './designators.ts'
import type { CsvRecord, Records } from './records.ts'
import { companyFields, companyWords, markers, roleWords, weakWords } from './words.ts'

export type Role = keyof typeof roleWords

/** Where a table's columns are. */
export type Header = NonNullable<ReturnType<typeof readHeader>>

/** What a header cell means: a role, and its word's place among the role's words; a weak word's place among those. */
type Meaning = { word: string; role?: Role; rank: number; weak?: number }

const SPELT_OUT: Record<string, string> = { ß: 'ss', ł: 'l', ø: 'o', æ: 'ae', đ: 'd', ı: 'i' }

/** Folds spelling: `Reference(s)` = `reference s`, `Manf#` = `manf no`, `Qté` = `qte` (rule 4.1). */
export function normalise(cell: string) {
  const lower = cell.normalize('NFKD').toLowerCase().replace(/\p{M}/gu, '')
  const folded = lower.replace(/[ßłøæđı]/g, (letter) => SPELT_OUT[letter] ?? letter)
  return folded
    .replaceAll('#', ' no ')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
}

const meanings = new Map<string, Meaning>()
for (const [role, words] of Object.entries(roleWords)) {
  for (const [rank, word] of words.map(normalise).entries()) {
    // Object.entries forgets that the keys are exactly the roles.
    meanings.set(word, { word, role: role as Role, rank })
  }
}
for (const [weak, word] of weakWords.map(normalise).entries()) {
  meanings.set(word, { word, rank: 0, ...meanings.get(word), weak })
}

// What a heading may come to; anything longer is prose.
const LONGEST = 200

/** What a header cell says, also where it says it in two scripts: `数量 (Qty)`. */
export function meaningOf(cell: string): Meaning | undefined {
  if (cell === '' || cell.length > LONGEST) return undefined
  const word = normalise(cell)
  const { other, latin } = splitScripts(word)
  return meanings.get(word) ?? (other && latin ? (meanings.get(other) ?? meanings.get(latin)) : undefined)
}

function isWord(text: string) {
  return text.length <= LONGEST && meanings.has(normalise(text))
}

/** Whether the cell is a word by letters outside a-z: only the right encoding makes one (rule 1.3 a). */
export function isForeignWord(cell: string) {
  if (cell.length > LONGEST || !/(?![a-z])\p{L}/iu.test(cell)) return false
  return isWord(cell) || meanings.has(splitScripts(normalise(cell)).other)
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
export function readHeader(line: number, cells: string[], below: () => CsvRecord[] = () => []) {
  const columns = findRoles(cells, below)
  const markerRoles = Number(columns.has('dnpNegative')) + Number(columns.has('dnpPositive'))
  if (columns.size - markerRoles < 2 || !(columns.has('designator') || columns.has('quantity')))
    return undefined

  const inOrder = [...columns].sort(([, [a = 0]], [, [b = 0]]) => a - b)
  const isMild = (column: number) => markers.mild.includes(meaningOf(cells[column] ?? '')?.word ?? '')
  const texts: Partial<Record<Role, string>> = {}
  for (const [role, [column = 0]] of inOrder) texts[role] = clip(cells[column] ?? '')
  return {
    line,
    cells,
    filled: cells.filter((cell) => cell !== '').length,
    columns,
    texts,
    /** Columns in which a DNP word is read by rules of their own (rules 9.2 to 9.6). */
    marking: new Set(MARKING.flatMap((role) => columns.get(role) ?? [])),
    /** Positive marker columns that also hold other things than yes and no (rule 9.3). */
    mild: new Set(columns.get('dnpPositive')?.filter(isMild))
  }
}

type Found = Meaning & { column: number }

/** The columns of each role that these cells head, stand-ins last (rule 4.7); `below` may be the rows. */
function findRoles(cells: string[], below: () => CsvRecord[]) {
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

  const isPart = ({ weak, column }: Found) => (weak === PART || weak === PARTS) && column !== weakDesignator
  const part = found.sort(byWeakness).find(isPart)
  if (part && !columns.has('value')) columns.set('value', [part.column])
  return columns
}

const PART = weakWords.indexOf('part')
const PARTS = weakWords.indexOf('parts')

function byWeakness(a: Found, b: Found) {
  return (a.weak ?? 0) - (b.weak ?? 0) || a.column - b.column
}

/** The column that heads designators with a word that often heads something else (rule 4.5). */
function findWeakDesignator(found: Found[], below: () => CsvRecord[]): number | undefined {
  // A row of a thousand such words is no header, and each is looked for in 200 records.
  const candidates = found
    .filter(({ weak }) => weak !== undefined)
    .sort(byWeakness)
    .slice(0, 20)
  if (candidates.length === 0) return undefined
  const rows = below()
  const named = candidates.find(({ column }) => holdsDesignators(rows, column))
  const hasValue = found.some(({ role }) => role === 'value')
  return (named ?? (hasValue ? candidates.find(({ weak }) => weak === PARTS) : undefined))?.column
}

function holdsDesignators(rows: CsvRecord[], column: number) {
  const filled = rows.filter(({ cells }) => (cells[column] ?? '') !== '')
  const naming = filled.filter(({ cells }) => namesPartsAt(cells, column))
  return filled.length > 0 && naming.length >= filled.length / 2
}

// A file may have as many header rows as records, and each asks about the records below it: once for each cell.
const known = new WeakMap<string[], (boolean | undefined)[]>()

function namesPartsAt(cells: string[], column: number) {
  const names = known.get(cells) ?? []
  known.set(cells, names)
  names[column] ??= namesCommonParts(cells[column] ?? '')
  return names[column]
}

const companies = new Set(companyWords.map(normalise))
const NUMBER = /^[\d.,]*\d[\d.,]*$/
// How far to look for cells that are designators (rule 4.5).
const ROWS_BELOW = 200

/** The header that begins with this record, be it alone or, with merged cells, together with the next. */
export function headerAt(record: CsvRecord, records: Records): Header | undefined {
  const lower = hasGap(record.cells) ? records.peek(1)[0] : undefined
  const both = lower && joinRows(record.cells, lower, () => records.peek(ROWS_BELOW + 1).slice(1))
  if (both) records.next()
  return both ?? readHeader(record.line, record.cells, () => records.peek(ROWS_BELOW))
}

function hasGap(cells: string[]) {
  return cells.some((cell, column) => cell !== '' && (cells[column + 1] ?? '') === '')
}

/** `Qty,Reference,Manufacturer,` over `,,Name,MPN` as one header, if they are one (rule 4.6). */
function joinRows(upper: string[], { line, cells: lower }: CsvRecord, below: () => CsvRecord[]) {
  const at = (cells: string[], column: number) => cells[column] ?? ''
  const isSpread = upper.some(
    (cell, c) => cell !== '' && at(upper, c + 1) === '' && at(lower, c) !== '' && at(lower, c + 1) !== ''
  )
  const cannotHead = (cell: string) => NUMBER.test(cell)
  if (!isSpread || upper.filter((cell) => cell !== '').length < 2) return undefined
  if (upper.some((cell) => cell.endsWith(':') || cannotHead(cell)) || lower.some(cannotHead)) return undefined

  let above = ''
  let belongTogether = false
  let underWord = false
  const cells: string[] = []
  for (let column = 0; column < Math.max(upper.length, lower.length); column++) {
    above = at(upper, column) || above
    const own = at(lower, column)
    const both = `${above} ${own}`
    const isJoined = own !== '' && above !== '' && isWord(both)
    const isCompanys = companies.has(normalise(above)) && companyFields.includes(normalise(own))
    belongTogether ||= own !== '' && (isJoined || isCompanys)
    // A company's `Name` has no role, and neither has the company.
    cells.push(own === '' ? at(upper, column) : isJoined ? both : isCompanys ? above : own)
    underWord ||= own !== '' && !isJoined && meaningOf(above) !== undefined
  }

  const header = belongTogether ? readHeader(line, cells, below) : undefined
  const isNeeded = () => header && header.columns.size > findRoles(upper, below).size && !underWord
  return readHeader(line, lower, below) || isNeeded() ? header : undefined
}
