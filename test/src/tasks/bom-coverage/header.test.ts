import t from 'tap'
import { headerAt, meaningOf, normalise, readHeader } from '../../../../src/tasks/bom-coverage/header.ts'
import { lookAhead, readRecords } from '../../../../src/tasks/bom-coverage/records.ts'

const columns = (...cells: string[]) => readHeader(1, cells)?.texts

/** The header that the text begins with. */
function headerOf(...lines: string[]) {
  const records = lookAhead(readRecords(lines.join('\n'), ','))
  const first = records.next()
  return first && headerAt(first, records)
}

t.test('spelling is folded', async (t) => {
  t.equal(normalise('Reference(s)'), 'reference s')
  t.equal(normalise('Manf#'), 'manf no')
  t.equal(normalise(' Manufacture P/N '), 'manufacture p n')
  t.equal(normalise('Gehäuse'), 'gehause')
  t.equal(normalise('QUANTITÉ'), 'quantite')
  t.equal(normalise('Ilość Wartość Größe'), 'ilosc wartosc grosse')
  t.equal(normalise('Кол-во'), 'кол во')
  t.equal(normalise('封装'), '封装')
  t.equal(normalise('ＱＴＹ'), 'qty')
  t.equal(normalise('パッケージ'), normalise('ﾊﾟｯｹｰｼﾞ'))
})

t.test('a cell in two scripts is read as what it says in one of them', async (t) => {
  t.match(meaningOf('数量 (Qty)'), { role: 'quantity' })
  t.match(meaningOf('器件 Footprint'), { role: 'package' })
  t.match(meaningOf('PCB封装'), { role: 'package' })
  t.equal(meaningOf('器件'), undefined)
})

t.test('a header names two roles, one of them designator or quantity', async (t) => {
  t.same(columns('Reference', 'Value'), { designator: 'Reference', value: 'Value' })
  t.same(columns('Menge', 'Wert'), { quantity: 'Menge', value: 'Wert' })
  t.same(columns('位号', '型号'), { designator: '位号', value: '型号' })
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
  t.same(columns('Order Qty', 'Qty per board', 'Ref'), { quantity: 'Qty per board', designator: 'Ref' })
})

t.test(
  'other columns of a role stand in; of designators and quantities only those of the same word',
  async (t) => {
    const header = readHeader(1, ['Comment', 'Qty', 'Value', 'Order Qty', 'QTY', 'DNP', 'Not fitted', 'Ref'])
    t.same(header?.columns.get('value'), [2, 0])
    t.same(header?.columns.get('quantity'), [1, 4])
    t.same(header?.columns.get('dnpNegative'), [5, 6])
  }
)

t.test('tick marks, numbers and the names of object members have no role', async (t) => {
  t.same(columns('Id', 'Placed', '__proto__', 'constructor', 'Refs', 'Qty', 'null', ''), {
    designator: 'Refs',
    quantity: 'Qty'
  })
})

t.test('a weak word heads the designators where no better word does and its cells look it', async (t) => {
  t.match(headerOf('Part,Value,Package', 'R1,1k,0603', 'C1,1u,0402')?.texts, { designator: 'Part' })
  t.match(headerOf('Item,Part,Qty', '1,R1,1', '2,"C1, C2",2')?.texts, { designator: 'Part' })
  t.match(headerOf('#,Parts,Package', 'U1,MAX232,SO16', '---,,', 'U2,LM358,SO8')?.texts, {
    designator: '#',
    value: 'Parts'
  })
  t.same(headerOf('Item,Quantity,Reference,Part', '1,1,R1,10k')?.texts, {
    quantity: 'Quantity',
    designator: 'Reference',
    value: 'Part'
  })
  t.match(headerOf('Qty,Value,Parts', '2,LED,"ON, OFF"')?.texts, { designator: 'Parts' })
  t.notOk(headerOf('Item,Value', '1,10k', '2,22k'))
  t.same(headerOf('Item,Qty,Value', '1,5,10k', '2,5,22k')?.texts, { quantity: 'Qty', value: 'Value' })
})

t.test('two rows are one header where merged cells join them', async (t) => {
  t.match(headerOf('Qty,Reference,Manufacturer,', ',,Name,MPN', '1,R1,Y,X'), {
    line: 2,
    texts: { quantity: 'Qty', designator: 'Reference', mpn: 'MPN' }
  })
  t.match(headerOf('Ref,Qty,Manufacturer,', ',,Name,Part Number', '1,R1,Y,X'), {
    line: 2,
    texts: { designator: 'Ref', quantity: 'Qty', mpn: 'Manufacturer Part Number' }
  })
})

t.test('a header and a row of data are not joined', async (t) => {
  for (const row of ['R1,1,Yageo,RC-1', 'R1,one,Name,x', 'R1,R2,Name,MPN'])
    t.equal(headerOf('Reference,Qty,Manufacturer,', row)?.line, 1, row)
  t.equal(headerOf('Ref,Value,Package', 'R1,1k,0603')?.line, 1)
})
