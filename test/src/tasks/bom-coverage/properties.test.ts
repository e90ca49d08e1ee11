import fc from 'fast-check'
import t from 'tap'
import { decodeText } from '../../../../src/tasks/bom-coverage/decode.ts'
import { isDnp } from '../../../../src/tasks/bom-coverage/part-line.ts'
import { round } from '../../../../src/tasks/bom-coverage/quantity.ts'
import { type Bom, readBom } from '../../../../src/tasks/bom-coverage/read-bom.ts'
import { readRecords } from '../../../../src/tasks/bom-coverage/records.ts'

const header = fc.shuffledSubarray(['Ref', 'Qty', 'Value', 'Footprint', 'Notes', 'Comment', '', 'MPN'], {
  minLength: 3
})
const designators = [
  'R1',
  'R2',
  'C3,',
  'R1-R4',
  'R1 to R3',
  'R9 / R8',
  'D5 (red)',
  'LED',
  'R3-1',
  'U1,U2;U3',
  '#R7',
  ''
]
const quantities = ['', '0', '1', '2', '3 pcs', '0.5', 'many', '-', '1,000', '14']
const texts = [
  '10k',
  '0603',
  '1206 Resistor',
  'red',
  'Total',
  'Sum:',
  'Notes:',
  'x',
  '7',
  'Ref',
  'Qty',
  'Value',
  '1E+5',
  ''
]
const dnpWords = [
  'DNP',
  'not fitted',
  '10k DNP',
  '(DNF)',
  'R1 DNP',
  'do not populate these parts',
  '2 DNI',
  'nicht bestückt'
]
const plain = fc.constantFrom(...designators, ...quantities, ...texts)

/** BOMs of a known header over rows of these cells. */
function boms(cell: fc.Arbitrary<string>, headings = header) {
  const row = fc.oneof(
    fc.array(cell, { maxLength: 8 }),
    fc.tuple(fc.nat(7), cell).map(([column, alone]) => [...Array<string>(column).fill(''), alone])
  )
  return fc
    .tuple(headings, fc.array(row, { maxLength: 12 }))
    .map((rows) =>
      [rows[0], ...rows[1]].map((cells) => cells.map((text) => `"${text}"`).join(',')).join('\n')
    )
}

/** Checks what holds of every BOM that can be read; the others must be refused as such. */
function always(arbitrary: fc.Arbitrary<string>, check: (bom: Bom, text: string) => void) {
  let read = 0
  fc.assert(
    fc.property(arbitrary, (text) => {
      let bom: Bom
      try {
        bom = readBom(decodeText(text))
      } catch (error) {
        if ((error as { code?: string }).code !== 'BOM_UNREADABLE') throw error
        return
      }
      read++
      check(bom, text)
    }),
    { numRuns: 1000 }
  )
  t.ok(read > 200, `${read} of 1000 were read`)
}

function must(holds: boolean, what: string) {
  if (!holds) throw new Error(what)
}

const any = fc.oneof(plain, fc.constantFrom(...dnpWords))

t.test('there is no demand without a designator or a quantity', async () => {
  always(boms(any), ({ lines }) => {
    for (const { designators: names, quantity, row } of lines)
      must(names.length > 0 || quantity > 0, `row ${row} asks for something`)
  })
})

t.test('no line is cancelled without a DNP word or a marker column', async () => {
  always(boms(plain), ({ lines, figures }) => {
    must(!lines.some(isDnp) && figures.totalQuantity === figures.populatedQuantity, 'nothing is cancelled')
  })
  const marked = header.map((cells) => ['DNP', ...cells])
  always(boms(plain, marked), ({ lines }, text) => {
    const rows = new Map(Array.from(readRecords(text, ','), ({ line, cells }) => [line, cells]))
    for (const line of lines.filter(isDnp))
      must(/^[x1]$/.test(rows.get(line.row)?.[0] ?? ''), `row ${line.row}`)
  })
})

t.test('the sums agree with the lines', async () => {
  always(boms(any), ({ figures, lines }) => {
    const sum = (some: typeof lines) => round(some.reduce((total, { quantity }) => total + quantity, 0))
    const dnp = lines.filter(isDnp)
    must(figures.partLines === lines.length, 'part lines')
    must(figures.totalQuantity === sum(lines), 'total')
    must(figures.populatedQuantity === sum(lines.filter((line) => !isDnp(line))), 'populated')
    must(figures.distinctDesignators === new Set(lines.flatMap((line) => line.designators)).size, 'distinct')
    must(dnp.length <= (figures.dnpLines ?? 0) + figures.dnpValueLines + figures.dnpOtherLines, 'dnp')
    must(
      figures.quantityWarnings.length === lines.filter((line) => line.quantityDiffers).length,
      'quantities'
    )
  })
})

t.test('every row is a line, counted as skipped, a header, or continues the line above', async () => {
  always(boms(any), ({ figures, lines, warnings }, text) => {
    const rows = [...readRecords(text, ',')].filter(({ line }) => line > figures.headerLine)
    const skipped = Object.values(figures.skippedRows).reduce((sum, count) => sum + count, 0)
    const replaced = warnings.map(({ message }) => Number(/replaces the (\d+)/.exec(message)?.[1] ?? 0))
    const counted =
      lines.length + replaced.reduce((sum, count) => sum + count, 0) + skipped + figures.tables - 1
    const alone = rows.filter(({ cells }) => cells.filter((cell) => cell !== '').length === 1)
    must(counted <= rows.length && rows.length - counted <= alone.length, `${counted} of ${rows.length}`)
    must(
      figures.skippedRows.blank >= rows.filter(({ cells }) => cells.every((cell) => cell === '')).length,
      'blank'
    )
  })
})
