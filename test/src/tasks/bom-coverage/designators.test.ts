import t from 'tap'
import { designatorBudget, readDesignators } from '../../../../src/tasks/bom-coverage/designators.ts'

const read = (cell: string) => readDesignators(cell, designatorBudget())

t.test('items are split at comma, semicolon, pipe, tab and line end', async (t) => {
  t.same(read('R1, R2;R3|R4\tR5\r\nR6,'), ['R1', 'R2', 'R3', 'R4', 'R5', 'R6'])
})

t.test('placeholders name nothing, alone or among others', async (t) => {
  for (const cell of ['', '-', '--', '~', 'N/A', 'na', 'None', 'NULL', 'undefined']) t.same(read(cell), [])
  t.same(read('R1, -, n/a, R2'), ['R1', 'R2'])
})

t.test('blanks split an item only if every piece looks like a designator or a range', async (t) => {
  t.same(read('C1 C14  USB_1 R2-R4 '), ['C1', 'C14', 'USB_1', 'R2', 'R3', 'R4'])
  t.same(read('Label  2'), ['Label 2'])
  t.same(read('USB A-B cable'), ['USB A-B cable'])
  t.same(read('R1 and R2'), ['R1 and R2'])
})

t.test('a designator may be any text', async (t) => {
  t.same(read('0, ON, 12V, ?1, S1.1, J9（甲 与 乙）'), ['0', 'ON', '12V', '?1', 'S1.1', 'J9（甲 与 乙）'])
})

t.test('ranges are expanded', async (t) => {
  t.same(read('R5-R8'), ['R5', 'R6', 'R7', 'R8'])
  t.same(read('R5 - 7'), ['R5', 'R6', 'R7'])
  for (const range of ['D1..D3', 'D1–D3', 'D1—D3', 'D1~D3']) t.same(read(range), ['D1', 'D2', 'D3'])
  t.same(read('TP08-TP10'), ['TP08', 'TP09', 'TP10'])
  t.equal(read('R1-R10000').length, 10_000)
})

t.test('what only looks like a range is one designator', async (t) => {
  for (const item of ['X3-1', 'R9-C12', 'R1-r5', 'R5-R5', 'R1-R10001', '1-5', 'R1-R5-R9'])
    t.same(read(item), [item])
  t.same(read('R1-R99999999999999999999'), ['R1-R99999999999999999999'])
})

t.test('a few bytes that stand for millions of designators are refused', async (t) => {
  t.throws(() => read('R1-R9999,'.repeat(60)), { code: 'BOM_TOO_LARGE', message: /500000 designators/ })
  t.throws(() => read(`${'A'.repeat(3000)}1-9999`), { code: 'BOM_TOO_LARGE' })

  const budget = designatorBudget()
  t.throws(
    () => {
      for (let row = 0; row < 60; row++) readDesignators('R1-R9999', budget)
    },
    { code: 'BOM_TOO_LARGE' }
  )
})
