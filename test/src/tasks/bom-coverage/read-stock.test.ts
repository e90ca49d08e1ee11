import t from 'tap'
import { readStock } from '../../../../src/tasks/bom-coverage/read-stock.ts'

const header = 'part_id,manufacturer_code,value,package,description,quantity,location'
const read = (...rows: string[]) => {
  const list = readStock([header, ...rows].join('\n'))
  return { rows: [...list.rows], warnings: list.warnings.list() }
}

t.test('a row is one location of one part', async (t) => {
  t.same(read('ABCD,X-1,"4,7uF",1206,"CAP, 4.7uF",12,7-3'), {
    rows: [
      {
        code: 'X-1',
        value: '4,7uF',
        package: '1206',
        description: 'CAP, 4.7uF',
        quantity: 12,
        location: '7-3'
      }
    ],
    warnings: []
  })
})

t.test('a row that cannot be understood is left out, with a warning that has its number', async (t) => {
  const { rows, warnings } = read(
    'ABCD,X-1,,,,many,1-1',
    'ABCD,X-1,,,,-5,1-1',
    'ABCD,X-1',
    'ABCD,X-1,10k,0603,RES,0603,5,1-2',
    'ABCD,,,,,5,1-3',
    '',
    'ABCD,X-1,,,,5,1-4,,'
  )
  t.match(rows, [{ location: '1-4' }])
  t.same(
    warnings.map(({ row }) => row),
    [2, 3, 4, 5, 6]
  )
  t.match(warnings, [{ source: 'stock', message: /^Row 2 of the stock list: .*"many"/ }])
})

t.test('of very many warnings the first are listed, the others counted', async (t) => {
  const { warnings } = read(...Array.from({ length: 250 }, () => 'ABCD,X-1'))
  t.equal(warnings.length, 101)
  t.match(warnings.at(-1), { message: /^150 more .*row 251/ })
})

t.test('columns may stand in any order, and those not needed may lack', async (t) => {
  t.match(
    [...readStock('\ufeffQuantity,Manufacturer Code\r\n5,X-1\r\n').rows],
    [{ code: 'X-1', quantity: 5 }]
  )
})

t.test('a list without the columns needed is refused', async (t) => {
  for (const list of ['5,X-1', 'quantity,value\n5,10k', 'part;quantity']) {
    t.throws(() => readStock(list), { code: 'STOCK_UNREADABLE', message: /manufacturer_code/ })
  }
})
