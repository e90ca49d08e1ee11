import { clip, isProse } from './cell.ts'

// What a header cell may say for each role, normalised, the better word first (rule 4.2).
const synonyms = {
  designator: [
    ...['designator', 'designators', 'reference', 'references', 'reference s', 'reference designator'],
    ...['reference designators', 'refdes', 'ref des', 'refs', 'ref', 'parts', 'location', 'locations'],
    ...['customer reference', 'part reference', 'bezeichner', 'referencia', 'referencias']
  ],
  quantity: [
    ...['quantity', 'qty', 'qnty', 'quantity per pcb', 'qty per pcb', 'quantity per board', 'qty per board'],
    ...[
      'bom qty',
      'count',
      'cant',
      'cantidad',
      'menge',
      'anzahl',
      'stk',
      'quantite',
      'qte',
      'usage',
      'amount'
    ],
    ...['pcs']
  ],
  value: ['value', 'comment', 'designation', 'val', 'name', 'wert', 'valor', 'mpn value'],
  package: ['footprint', 'package', 'pcb footprint', 'case', 'foot', 'case package', 'gehause'],
  mpn: [
    ...['mpn', 'manufacturer part number', 'manufacturer part', 'manufacturer pn', 'manufacturer part no'],
    ...[
      'manufacture p n',
      'mfr part number',
      'mfr part no',
      'mfr part',
      'mfg part number',
      'mfg pn',
      'mfg part'
    ],
    ...['manf no', 'manf part', 'mfr no', 'mfg no', 'partnumber', 'part number', 'pn', 'part no'],
    ...['manufacturer and part number', 'partno']
  ],
  description: ['description', 'desc', 'descripcion', 'beschreibung'],
  dnpNegative: [
    ...['dnp', 'dnf', 'dni', 'dnm', 'dns', 'do not populate', 'do not fit', 'do not place', 'do not install'],
    ...['do not mount', 'not fitted', 'not populated', 'nopop', 'no pop', 'no stuff', 'nostuff']
  ],
  dnpPositive: [
    ...['populate', 'populated', 'fitted', 'fit', 'mounted', 'mount', 'assemble', 'assembled', 'assembly'],
    ...['assy', 'stuff', 'stuffed', 'install', 'installed', 'config']
  ]
}

export type Role = keyof typeof synonyms

const meanings = new Map<string, { role: Role; rank: number }>()
for (const [role, words] of Object.entries(synonyms)) {
  // Object.entries forgets that the keys are exactly the roles.
  for (const [rank, word] of words.entries()) meanings.set(word, { role: role as Role, rank })
}

/** Where a table's columns are: for each role found, its place in a record. */
export interface Header {
  line: number
  /** The header cells, normalised: a row with the same begins a new table. */
  cells: string[]
  /** Those that are not empty, with their places: a header may be mostly commas. */
  headings: [column: number, cell: string][]
  columns: Map<Role, number>
  /** The header cells of `columns` as they are written. */
  texts: Partial<Record<Role, string>>
}

/** Folds spelling: `Reference(s)` = `reference s`, `Manf#` = `manf no` (rule 4.1). */
export function normalise(cell: string) {
  if (isProse(cell)) return cell
  return cell
    .toLowerCase()
    .replaceAll('#', ' no ')
    .replace(/[éäüö]/g, (letter) => ({ é: 'e', ä: 'a', ü: 'u', ö: 'o' })[letter] ?? letter)
    .replace(/[^a-z0-9]+/g, ' ')
    .trim()
}

// What a spreadsheet can hold; a row of millions of cells is no header, and would cost much memory as one.
const WIDEST = 16_384

/** The header in this record, if it is one: two roles besides DNP markers, one of them designator or quantity. */
export function readHeader(line: number, record: string[]): Header | undefined {
  if (record.length > WIDEST) return undefined

  const cells = record.map(normalise)
  const columns = new Map<Role, number>()
  const ranks = new Map<Role, number>()

  for (const [column, cell] of cells.entries()) {
    const meaning = meanings.get(cell)
    if (meaning && meaning.rank < (ranks.get(meaning.role) ?? Number.POSITIVE_INFINITY)) {
      columns.set(meaning.role, column)
      ranks.set(meaning.role, meaning.rank)
    }
  }

  const markers = Number(columns.has('dnpNegative')) + Number(columns.has('dnpPositive'))
  if (columns.size - markers < 2 || !(columns.has('designator') || columns.has('quantity'))) return undefined

  const texts: Header['texts'] = {}
  for (const [role, column] of columns) texts[role] = clip(record[column] ?? '')
  const headings = [...cells.entries()].filter(([, cell]) => cell !== '')
  return { line, cells, headings, columns, texts }
}

/** Whether a row, no longer than its header, repeats it (rule 5.2). */
export function repeatsHeader(row: string[], header: Header) {
  return (
    header.headings.every(([column, cell]) => cell === normalise(row[column] ?? '')) &&
    row.every((cell, column) => header.cells[column] !== '' || normalise(cell) === '')
  )
}
