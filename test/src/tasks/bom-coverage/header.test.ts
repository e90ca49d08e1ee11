import t from 'tap'
import { normalise, readHeader, repeatsHeader } from '../../../../src/tasks/bom-coverage/header.ts'

const columns = (...cells: string[]) => readHeader(1, cells)?.texts

t.test('spelling is folded', async (t) => {
  t.equal(normalise('Reference(s)'), 'reference s')
  t.equal(normalise('Manf#'), 'manf no')
  t.equal(normalise(' Manufacture P/N '), 'manufacture p n')
  t.equal(normalise('Gehäuse'), 'gehause')
  t.equal(normalise('QUANTITÉ'), 'quantite')
  t.equal(normalise('封装'), '')
})

t.test('a header names two roles, one of them designator or quantity', async (t) => {
  t.same(columns('Reference', 'Value'), { designator: 'Reference', value: 'Value' })
  t.same(columns('Menge', 'Wert'), { quantity: 'Menge', value: 'Wert' })
  t.equal(columns('Value', 'Footprint'), undefined)
  t.equal(columns('Reference', 'Datasheet'), undefined)
})

t.test('a DNP marker is no second role', async (t) => {
  t.equal(columns('Reference', 'DNP'), undefined)
  t.same(columns('Reference', 'DNP', 'Populate', 'Qty'), {
    designator: 'Reference',
    dnpNegative: 'DNP',
    dnpPositive: 'Populate',
    quantity: 'Qty'
  })
})

t.test('the better synonym wins, and among equal ones the column further left', async (t) => {
  t.same(columns('Comment', 'Qty', 'Value', 'QTY'), { value: 'Value', quantity: 'Qty' })
})

t.test('tick marks, numbers and the names of object members have no role', async (t) => {
  t.same(columns('Id', 'Placed', '__proto__', 'constructor', 'Refs', 'Qty', 'null', ''), {
    designator: 'Refs',
    quantity: 'Qty'
  })
})

t.test('a repeated header may be spelt differently, but says the same in every cell', async (t) => {
  const header = readHeader(1, ['Ref', '', 'Qty'])
  t.ok(header && repeatsHeader(['REF', '', 'qty.'], header))
  t.ok(header && repeatsHeader(['REF', '--', 'qty'], header))
  t.notOk(header && repeatsHeader(['Ref'], header))
  t.notOk(header && repeatsHeader(['Ref', 'x', 'Qty'], header))
})
