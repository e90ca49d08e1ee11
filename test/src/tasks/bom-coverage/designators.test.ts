import t from 'tap'
import {
  designatorBudget,
  namesCommonParts,
  readDesignators
} from '../../../../src/tasks/bom-coverage/designators.ts'

const readCell = (cell: string, quantity?: number) => readDesignators(cell, quantity, designatorBudget())
const read = (cell: string, quantity?: number) => readCell(cell, quantity).names
const isUnclear = (cell: string) => readCell(cell).unclear.length > 0

t.test('items are split at comma, semicolon, pipe, tab, line end and their wide forms', async (t) => {
  t.same(read('R1, R2;R3|R4\tR5\r\nR6,'), ['R1', 'R2', 'R3', 'R4', 'R5', 'R6'])
  t.same(read('R1，R2；R3、R4｜R5'), ['R1', 'R2', 'R3', 'R4', 'R5'])
})

t.test('placeholders name nothing, alone or among others', async (t) => {
  for (const cell of ['', '-', '--', '~', 'N/A', 'n.a.', 'na', 'NaN', 'None', 'NULL', 'undefined'])
    t.same(read(cell), [])
  t.same(read('R1, -, n/a, R2'), ['R1', 'R2'])
})

t.test('an item is split at blanks and list signs only if every piece looks like a designator', async (t) => {
  t.same(read('C1 C14  USB_1 R2-R4 '), ['C1', 'C14', 'USB_1', 'R2', 'R3', 'R4'])
  for (const cell of [
    'R1/R2',
    'R1 / R2',
    'R1 & R2',
    'R1+R2',
    'R1 and R2',
    'R1 und R2',
    'R1 y R2',
    'R1和R2',
    'R1 ＆ R2'
  ])
    t.same(read(cell), ['R1', 'R2'], cell)
  t.same(read('R1-R3/R5'), ['R1', 'R2', 'R3', 'R5'])
  t.same(read('C5-C6 C8'), ['C5', 'C6', 'C8'])
  t.same(read('ВТ1 ВТ2'), ['ВТ1', 'ВТ2'])
  for (const cell of ['R1 and R2 and R3', 'C1 C2', 'U$1 U$2']) t.notOk(isUnclear(cell), cell)
})

t.test('signs between blanks split names of any kind only where the quantity counts them', async (t) => {
  t.same(read('PWR /  USB /  ERR', 3), ['PWR', 'USB', 'ERR'])
  t.same(read('PWR / USB / ERR', 2), ['PWR / USB / ERR'])
  t.same(read('PWR / USB, ERR', 2), ['PWR / USB', 'ERR'])
  t.ok(isUnclear('PWR / USB / ERR'))
})

t.test('a designator may be any text', async (t) => {
  t.same(read('0, ON, 12V, ?1, S1.1, J9（甲 与 乙）'), ['0', 'ON', '12V', '?1', 'S1.1', 'J9（甲 与 乙）'])
  t.same(read('Label  2'), ['Label 2'])
  t.same(read('USB A-B cable'), ['USB A-B cable'])
  for (const cell of ['0', 'ON', 'S1.1', 'Label 2', 'USB A-B cable', 'LED', 'REF**'])
    t.notOk(isUnclear(cell), cell)
})

t.test('one that may stand for several is counted as one and said to be unclear', async (t) => {
  for (const cell of [
    'LED1 (red)',
    'R1/2',
    'R1 foo R2',
    'case and lid',
    'R7:x:R8',
    'X1 + lid',
    'K1 -> K2 -> K3'
  ]) {
    t.equal(read(cell).length, 1, cell)
    t.ok(isUnclear(cell), cell)
  }
})

t.test('ranges are expanded, whatever their sign', async (t) => {
  t.same(read('R5-R8'), ['R5', 'R6', 'R7', 'R8'])
  t.same(read('R5 - 7'), ['R5', 'R6', 'R7'])
  for (const sign of [
    '-',
    '‑',
    '–',
    '—',
    '−',
    '~',
    '～',
    '〜',
    '..',
    '...',
    '…',
    '->',
    '=>',
    '→',
    '至',
    '到',
    'から',
    ':'
  ])
    t.same(read(`D1${sign}D3`), ['D1', 'D2', 'D3'], sign)
  for (const word of ['to', 'TO', 'thru', 'through', 'bis', 'a', 'à', 'do', 'до', 'по'])
    t.same(read(`D1 ${word} D3`), ['D1', 'D2', 'D3'], word)
  t.same(read('MOT1-2'), ['MOT1', 'MOT2'])
  t.same(read('U$1-U$3'), ['U$1', 'U$2', 'U$3'])
  t.same(read('TP08-TP10'), ['TP08', 'TP09', 'TP10'])
  t.equal(read('R1-R10000').length, 10_000)
})

t.test('what only looks like a range is one designator, unclear if it might have been one', async (t) => {
  for (const item of ['R9-C12', 'R1-r5', 'R5-R5', 'R1-R10001', 'R50-R1', 'R1-R99999999999999999999']) {
    t.same(read(item), [item])
    t.ok(isUnclear(item), item)
  }
  for (const item of ['X3-1', '1-5', 'R5:7']) {
    t.same(read(item), [item])
    t.notOk(isUnclear(item), item)
  }
})

t.test('a DNP word marks its item, or the whole cell where it stands before or apart', async (t) => {
  t.match(readCell('R1, R2 (DNP)'), { names: ['R1', 'R2'], marked: 1, allMarked: false })
  t.match(readCell('R1_DNP,R2'), { names: ['R1', 'R2'], marked: 1, allMarked: false })
  t.match(readCell('R1 R2 do not fit, R3'), { names: ['R1', 'R2', 'R3'], marked: 2, allMarked: false })
  for (const cell of ['DNP: R1, R2', '(DNP) R1, R2', 'R1, R2, not fitted', 'R1 DNP, R2 DNP'])
    t.match(readCell(cell), { names: ['R1', 'R2'], marked: 2, allMarked: true }, cell)
  t.match(readCell('DNP'), { names: [], allMarked: true })
})

t.test('common designators are known from running numbers and names', async (t) => {
  for (const cell of ['R1', 'C1, C2', 'IC12A', 'U$3', 'R1-R5', 'DD1 DD2', 'VT7'])
    t.ok(namesCommonParts(cell), cell)
  for (const cell of ['1', 'I1', 'O2', 'BC847', 'MAX232', 'R12345', 'XIAO', '', '-', 'R1, lid', 'r1'])
    t.notOk(namesCommonParts(cell), cell)
})

t.test('a few bytes that stand for millions of designators are refused', async (t) => {
  t.throws(() => read('R1-R9999,'.repeat(60)), { code: 'BOM_TOO_LARGE', message: /500000 designators/ })
  t.throws(() => read(`${'A'.repeat(3000)}1-9999`), { code: 'BOM_TOO_LARGE' })

  const budget = designatorBudget()
  t.throws(
    () => {
      for (let row = 0; row < 60; row++) readDesignators('R1-R9999', undefined, budget)
    },
    { code: 'BOM_TOO_LARGE' }
  )
})
