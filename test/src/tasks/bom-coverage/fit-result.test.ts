import t from 'tap'
import { bomList, runTask, stockList } from './run-task.ts'

const LIMIT = 1024 * 1024
const size = (result: unknown) => Buffer.byteLength(JSON.stringify(result))
const rows = (count: number, row: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => row(index))

t.test('a usual result is complete', async (t) => {
  const result = await runTask({
    bom: bomList(...rows(1000, (i) => `R${i},${i}R,0603,CODE-${i}`)),
    stock: stockList()
  })
  t.match(result.lines[999], {
    designators: ['R999'],
    value: '999R',
    package: '0603',
    manufacturerCode: 'CODE-999'
  })
  t.same(result.warnings, [])
})

t.test(
  'ten thousand lines all come, each as full as fits, and a warning says what was left out',
  async (t) => {
    const bom = bomList(...rows(10_000, (i) => `R${i},${i % 100}k,Resistor_SMD:R_0603_1608Metric,`))
    const stock = stockList(...rows(100, (i) => `,${i}k,0603,1000,${i}-1`))
    const result = await runTask({ bom, stock })

    t.ok(size(result) < LIMIT)
    t.equal(result.lines.length, 10_000)
    t.match(result.lines[0], { row: 2, status: 'enough', locations: [{ location: '0-1', quantity: 1 }] })
    t.match(result.totals, { enough: 10_000, needed: 10_000 })
    t.match(result.warnings, [{ source: 'result', message: /larger than 1 MiB: the lines come/ }])
  }
)

t.test('ten thousand missing parts are all on the shopping list', async (t) => {
  const bom = bomList(...rows(10_000, (i) => `U${i},PART-${i},SOIC-8,MAKER-${i}`))
  const result = await runTask({ bom, stock: stockList() })

  t.ok(size(result) < LIMIT)
  t.equal(result.lines.length, 10_000)
  t.equal(result.shoppingList.length, 10_000)
  t.match(result.shoppingList[9_999], { manufacturerCode: 'MAKER-9999', quantity: 1 })
})

t.test('what cannot fit is cut, counted and said', async (t) => {
  const bom = bomList(...rows(60_000, (i) => `U${i},PART-${i},SOIC-8,MAKER-${i}`))
  const result = await runTask({ bom, stock: stockList() })

  t.ok(size(result) < LIMIT)
  t.ok(result.lines.length > 1000)
  t.ok(result.shoppingList.length > 1000)
  t.match(result.totals, { missing: 60_000 })
  t.match(result.figures, { partLines: 60_000 })
  const said = result.warnings.map(({ message }) => message).join('\n')
  t.match(said, `${result.shoppingList.length} of 60000 entries of shoppingList`)
  t.match(said, `${result.lines.length} of 60000 entries of lines`)
})

t.test('a cell that holds a whole file does not fill the result', async (t) => {
  const result = await runTask({ bom: `Ref,Qty,Value\nR1,1,"${'x'.repeat(3_000_000)}` })
  t.ok(size(result) < 5000)
  t.match(result.lines[0]?.value, /^x{300}…$/)
})
