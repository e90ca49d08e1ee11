import t from 'tap'
import { decodeText } from '../../../../src/tasks/bom-coverage/decode.ts'
import { isDnp } from '../../../../src/tasks/bom-coverage/part-line.ts'
import { readBom } from '../../../../src/tasks/bom-coverage/read-bom.ts'

const read = (...rows: string[]) => readBom(decodeText(rows.join('\n')))
const none = { blank: 0, heading: 0, metadata: 0, totals: 0, comment: 0, empty: 0 }
/** What the row is read as under these columns. */
const readRow = (columns: string, row: string) => read(columns, row).lines[0]

t.test('a comment is skipped, unless another cell names a part', async (t) => {
  const { figures, lines } = read('Item,Qty,Ref', '# page 1,,', '//,old,', '#4-40 screw,2,', '#7,,R7')
  t.match(figures, { partLines: 2, skippedRows: { ...none, comment: 2 } })
  t.match(lines, [
    { quantity: 2, warnings: [] },
    { designators: ['R7'], warnings: [] }
  ])
  t.match(readRow('Ref,Qty,Value', '#R7,1,1k'), { designators: ['#R7'], warnings: [/begins like a comment/] })
  t.match(readRow('Item,Qty,Ref', '1,1,#R7'), { designators: ['#R7'], warnings: [] })
})

t.test('a designator alone in its row is a part, anything else alone a heading', async (t) => {
  const { figures, lines } = read(
    'Ref,Qty,Value',
    'Resistors,,',
    'R1,1,1k',
    'R2,,',
    'Section A1 of B2,,',
    ',,loose'
  )
  t.match(figures, { partLines: 2, skippedRows: { ...none, heading: 3 } })
  t.match(lines, [{ designators: ['R1'] }, { designators: ['R2'], quantity: 1 }])
})

t.test('a designator alone belongs to the line above while that is not complete', async (t) => {
  t.match(read('Ref,Qty,Value', '"R1,R2",4,1k', '"R3,R4",,', 'R5,,').lines, [
    { designators: ['R1', 'R2', 'R3', 'R4'], quantity: 4, warnings: [] },
    { designators: ['R5'], quantity: 1 }
  ])
  t.match(read('Ref,Qty,Value', '"R1,",2,1k', '', 'R2,,').lines, [
    { designators: ['R1'] },
    { designators: ['R2'] }
  ])
})

t.test('totals are skipped by their word in many languages, and without one', async (t) => {
  const words = ['Total', 'Grand total', 'Sub-Total: 5', 'Summe', 'итого', '合計5', 'Razem', 'somme']
  const { figures } = read(
    'Ref,Qty,Value,Price',
    ...words.map((word) => `${word},9,x,`),
    ',14,,',
    ',9,,EUR 5.10',
    'R1,1,1k,'
  )
  t.match(figures, { partLines: 1, skippedRows: { ...none, totals: words.length + 2 } })
  t.match(read('Ref,Qty,Value', 'Summer,1,x', ',2,bolt').figures, { partLines: 2 })
})

t.test('a header row under the first begins a table of its own columns', async (t) => {
  const { figures, lines } = read(
    'Ref,Qty,Value',
    'R1,2,1k',
    'Qty,MPN,Part Reference,DNP',
    '1,LM358,U1,',
    '1,X,U2,x'
  )
  t.match(figures, { tables: 2, partLines: 3, dnpLines: 1, columns: { designator: 'Ref' } })
  t.match(lines, [{ value: '1k' }, { designators: ['U1'], manufacturerCode: 'LM358', value: '' }, {}])
  t.match(read('Ref,Qty,Value', 'Name,2,Comment').figures, { tables: 1, partLines: 1 })
})

t.test('another column of the role stands in where the first says nothing', async (t) => {
  const { lines } = read('Value,Comment,Qty,Ref', '-,MAX232,1,U1', '1k,,1,R1', ',n/a,1,J1')
  t.match(lines, [{ value: 'MAX232' }, { value: '1k' }, { value: '' }])
})

t.test('a DNP word in the value, the quantity or alone in any cell cancels the line', async (t) => {
  const cases: [string, object][] = [
    ['R1,1,0R-DNP,,', { value: true, other: false }],
    ['R1,DNP,1k,,', { value: false, other: true }],
    ['R1,2 DNP,1k,,', { value: false, other: true }],
    ['R1,1,1k,(not fitted),', { value: false, other: true }],
    ['R1,1,1k,,*DNF*', { value: false, other: true }],
    ['"R1 DNP",1,1k,,', { value: false, other: true }],
    ['DNP,1,1k,,', { value: false, other: true }]
  ]
  for (const [row, dnp] of cases) t.match(readRow('Ref,Qty,Value,Notes,', row), { dnp, warnings: [] }, row)
  t.match(readRow('Ref,Qty,Value', '"R1,R2",2 DNP,1k'), { quantity: 2 })
})

t.test('a DNP word anywhere else cancels nothing, and warns', async (t) => {
  for (const row of ['R1,1,1k,DNP in rev B,', 'R1,1,1k,,R_0603_DNP-variant']) {
    const line = readRow('Ref,Qty,Value,Notes,Footprint', row)
    t.notOk(line && isDnp(line), row)
    t.match(line?.warnings, [/"DNP" do not stand where/], row)
  }
  t.match(readRow('Ref,Qty,Value,Notes', 'R1,1,DNP,DNP in rev B')?.warnings, [])
})

t.test('a marker column is read by closed lists, and what is not on them warns', async (t) => {
  t.match(readRow('Ref,Qty,DNP,Value', 'R1,1,(x),1k'), { dnp: { marker: true }, warnings: [] })
  t.match(readRow('Ref,Qty,DNP,Value', 'R1,1,see note,1k'), {
    dnp: { marker: false },
    warnings: [/"see note" in the column "DNP"/]
  })
  t.match(readRow('Ref,Qty,Fitted,Value', 'R1,1,Top,1k'), { dnp: { marker: false }, warnings: [/Top/] })
  t.match(readRow('Ref,Qty,Mount,Value', 'R1,1,SMT,1k'), { dnp: { marker: false }, warnings: [] })
  t.match(readRow('Ref,Qty,Fitted,DNP,Value', 'R1,1,yes,1,1k'), { dnp: { marker: true } })
})

t.test('some designators marked in a list reduce the demand, and warn', async (t) => {
  const [count, all, fewer, other] = read(
    'Ref,Qty,Value',
    '"D1, D2 (DNP)",,red',
    '"D3, D4 (DNP)",2,red',
    '"D5, D6 (DNP)",1,red',
    '"D7, D8 (DNP)",9,red'
  ).lines
  const some = /1 of the 2 designators/
  t.match(count, { quantity: 1, dnp: { other: false }, quantityDiffers: false, warnings: [some] })
  t.match(all, { quantity: 1, quantityDiffers: false, warnings: [some] })
  t.match(fewer, { quantity: 1, quantityDiffers: false, warnings: [some] })
  t.match(other, { quantity: 9, quantityDiffers: true, warnings: [/quantity is 9/, some] })
})

t.test('a DNP heading marks the parts below it, to the next heading, table or blank row', async (t) => {
  const { lines } = read(
    'Ref,Qty,Value',
    'R1,1,1k',
    'Do not populate:,,',
    '',
    'R2,1,1k',
    'R3,1,1k',
    '',
    'R4,1,1k',
    'DNP parts,,',
    'R5,1,1k',
    'Connectors,,',
    'J1,1,x',
    'DNP,,',
    'Ref,Qty,Value',
    'R6,1,1k'
  )
  t.same(
    lines.filter(isDnp).flatMap(({ designators }) => designators),
    ['R2', 'R3', 'R5']
  )
})

t.test('what a line may mean otherwise is warned of on the line', async (t) => {
  t.match(readRow('Ref,Qty,Footprint', 'R1,1,"0402;0603"'), { warnings: [/several/] })
  t.match(readRow('Ref,Qty,MPN', 'R1,1,4.52403E+11'), { warnings: [/spreadsheet/] })
  t.match(readRow('Ref,Qty,Value', 'R1,1,1E+3'), { warnings: [/spreadsheet/] })
  t.match(readRow('Ref,Qty,Value', 'R1,2,1k'), {
    quantity: 2,
    quantityDiffers: true,
    warnings: [/quantity is 2/]
  })
  t.match(readRow('Ref,Qty,Value', 'R1,-,1k'), { quantity: 1, warnings: [] })
})

t.test('a file of very many header rows is refused', async (t) => {
  t.throws(() => read('Ref,Qty', 'R1,1', ...Array(10_001).fill('Ref,Qty')), { code: 'BOM_TOO_LARGE' })
})
