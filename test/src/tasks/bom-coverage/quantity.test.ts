import t from 'tap'
import { readQuantity, round } from '../../../../src/tasks/bom-coverage/quantity.ts'

t.test('quantities may have decimals, thousands and a word behind', async (t) => {
  const quantities = {
    '12': 12,
    '0': 0,
    '0.012': 0.012,
    '4,5': 4.5,
    '1,000': 1000,
    '1,234,567': 1_234_567,
    '1,234.5': 1234.5,
    '0,500': 0.5,
    '10x': 10,
    '2 pcs': 2,
    '1 Piece': 1,
    '3 Stk': 3,
    '4off': 4,
    '5 EA': 5,
    '2 Pcs.': 2,
    '3 Stück': 3,
    '3 Stk.': 3,
    '7 шт.': 7,
    '6个': 6,
    '2 each': 2,
    '1 szt': 1
  }
  for (const [cell, quantity] of Object.entries(quantities)) t.equal(readQuantity(cell), quantity, cell)
})

t.test('nothing else is a number', async (t) => {
  for (const cell of [
    '',
    '-1',
    '+1',
    '1e3',
    'two',
    '1 box',
    '1.',
    '.5',
    '1,00,000',
    '½',
    '0x10',
    'Infinity',
    '٣'
  ]) {
    t.equal(readQuantity(cell), undefined, cell)
  }
  t.equal(readQuantity('9'.repeat(30)), undefined)
  t.equal(readQuantity('9'.repeat(400)), undefined)
})

t.test('sums are rounded to six decimals', async (t) => {
  t.equal(round(0.1 + 0.2), 0.3)
  t.equal(round(1e15), 1e15)
})
