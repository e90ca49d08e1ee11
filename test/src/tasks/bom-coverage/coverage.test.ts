import fc from 'fast-check'
import t from 'tap'
import { bomList, runTask, stockList } from './run-task.ts'

/** The status of one part line against one stock row. */
async function meet(bomRow: string, ...stockRows: string[]) {
  const { lines } = await runTask({ bom: bomList(bomRow), stock: stockList(...stockRows) })
  return lines[0]
}

t.test('a line is enough, partial or missing', async (t) => {
  const result = await runTask({
    bom: bomList('"R1,R2",10k,R_0603,', 'R3,22k,R_0603,', '"C1,C2,C3",100nF,C_0603,', 'C4,DNP,C_0603,'),
    stock: stockList(',10k,0603,100,1-1', ',100n,0603,7,1-2'),
    boards: 3
  })
  t.match(result.lines, [
    { status: 'enough', quantityPerBoard: 2, needed: 6, available: 6, shortage: 0 },
    { status: 'missing', needed: 3, available: 0, shortage: 3, locations: [] },
    {
      status: 'partial',
      needed: 9,
      available: 7,
      shortage: 2,
      locations: [{ location: '1-2', quantity: 7 }]
    },
    { status: 'not-placed', dnp: true, needed: 0, shortage: 0, locations: [] }
  ])
  t.same(result.totals, { needed: 18, enough: 1, partial: 1, missing: 1, notPlaced: 1, unknown: 0 })
  t.same(result.shoppingList, [
    { manufacturerCode: '', value: '22k', package: 'R_0603', quantity: 3, designators: ['R3'] },
    { manufacturerCode: '', value: '100nF', package: 'C_0603', quantity: 2, designators: ['C1', 'C2', 'C3'] }
  ])
})

t.test('without a stock list every placed line is unknown', async (t) => {
  for (const stock of [undefined, '']) {
    const result = await runTask({
      bom: bomList('R1,10k,0603,', 'R2,DNP,0603,'),
      ...(stock !== undefined && { stock })
    })
    t.match(result.lines, [{ status: 'unknown', available: null, shortage: null }, { status: 'not-placed' }])
    t.match(result.totals, { unknown: 1, notPlaced: 1 })
    t.same(result.shoppingList, [])
    t.equal(result.warnings.length, stock === undefined ? 0 : 1)
  }
})

t.test('the manufacturer code comes first, case and blanks folded', async (t) => {
  const line = await meet('U1,X,SOT-23,acme 12-b', ',X,SOT-23,9,1-1', 'ACME12-B,,,5,1-2')
  t.match(line, { status: 'enough', locations: [{ location: '1-2' }], warnings: [] })
})

t.test('a code that the stock knows is not replaced by another part, even if it is used up', async (t) => {
  t.match(await meet('R1,10k,0603,A-1', ',10k,0603,9,1-1', 'A-1,10k,0603,0,1-2'), { status: 'missing' })
})

t.test('a code that the stock does not know falls back to value and package, and says so', async (t) => {
  const line = await meet('R1,10k,0603,A-1', 'B-2,10k,0603,9,1-1')
  t.match(line, { status: 'enough', warnings: [/no such manufacturer code/] })
})

t.test('values and packages meet in all their spellings', async (t) => {
  const pairs = [
    ['C1,0.1uF,Capacitor_SMD:C_0402_1005Metric,', ',100n,0402,9,1-1'],
    ['C1,100nF,C0402,', ',0.1uF,402,9,1-1'],
    ['R1,4k7,"0603\'",', ',4700,0603,9,1-1'],
    ['R1,4.7k,R-0603,', ',4K7,0603,9,1-1'],
    ['R1,10,0603,', ',10R,0603,9,1-1'],
    ['U1,LM358,Package_SO:SOIC-8,', ',lm358,SOIC-8,9,1-1'],
    ['D1,red,LED_0805_2012Metric,', ',RED,CHIP-LED0805,9,1-1'],
    ['Y1,24M,XTAL-2520,', ',24M,XTAL-2520,9,1-1'],
    ['RN1,33R,R_Array_4x0402,', ',33R,R_Array_4x0402,9,1-1'],
    ['C1,100nF,0603,', ',100nF 50V X7R,0603,9,1-1'],
    ['C1,100nF/50V,0603,', ',0.1uF 50V X7R,0603,9,1-1']
  ] as const
  for (const [bomRow, stockRow] of pairs) t.match(await meet(bomRow, stockRow), { status: 'enough' }, bomRow)
})

t.test('parts that only look alike do not meet', async (t) => {
  const pairs = [
    ['R1,10,0603,', ',10uF,0603,9,1-1'],
    ['C1,10,0603,', ',10,0603,9,1-1'],
    ['L1,10u,0603,', ',10uF,0603,9,1-1'],
    ['R1,10m,2512,', ',10M,2512,9,1-1'],
    ['R1,10mR,Shunt-X,', ',10MR,Shunt-X,9,1-1'],
    ['R1,10k,0603,', ',10k,0805,9,1-1'],
    ['R1,10k,0603,', ',10k NTC,0603,9,1-1'],
    ['RT1,10k,0603,', ',10k,0603,9,1-1'],
    ['FB1,600R,0603,', ',600R,0603,9,1-1'],
    ['C1,100nF/50V,0603,', ',100nF,0603,9,1-1'],
    ['C1,100nF 50V,0603,', ',100nF 16V,0603,9,1-1'],
    ['R1,10k,,', ',10k,,9,1-1'],
    ['R1,,0603,', ',,0603,9,1-1']
  ] as const
  for (const [bomRow, stockRow] of pairs) t.match(await meet(bomRow, stockRow), { status: 'missing' }, bomRow)
})

t.test('a rating that the stock does not state is named', async (t) => {
  t.match(await meet('C1,100nF/50V,0603,', ',100nF,0603,9,1-1'), { warnings: [/does not say 50v/] })
})

t.test('two packages in a cell draw no stock by value, but the manufacturer code still does', async (t) => {
  const cell = '"R_0402_1005Metric;R_0603_1608Metric"'
  t.match(await meet(`R1,10k,${cell},`, ',10k,0402,9,1-1'), { status: 'missing' })
  t.match(await meet(`R1,10k,${cell},A-1`, 'A-1,10k,0402,9,1-1'), { status: 'enough' })
})

t.test('a size in the value stands for the package, and not in the way of the value', async (t) => {
  t.match(await meet('R1,10K 1% 0603,,', ',10K 1%,0603,9,1-1'), { status: 'enough', package: '0603' })
  t.match(await meet('D1,red 0805,,', ',RED,LED_0805_2012Metric,9,1-1'), {
    status: 'enough',
    package: '0805'
  })
})

t.test('a code that a spreadsheet destroyed finds nothing', async (t) => {
  t.match(await meet('U1,X,SO8,4.52403E+11', '4.52403E+11,Y,SO8,9,1-1'), { status: 'missing' })
})

t.test('a line that names too little to be matched says so', async (t) => {
  t.match(await meet('R1,10k,,', ',10k,0603,9,1-1'), { warnings: [/no package/] })
})

t.test('earlier lines draw the stock down, by code and by value alike', async (t) => {
  const result = await runTask({
    bom: bomList('"R1,R2",10k,0603,', '"R3,R4",10k,0603,A-1', 'R5,10k,0603,'),
    stock: stockList('A-1,10k,0603,3,1-1')
  })
  t.match(result.lines, [
    { status: 'enough', available: 2 },
    { status: 'partial', available: 1, shortage: 1 },
    { status: 'missing', available: 0, shortage: 1 }
  ])
})

t.test('several locations of one part are added up, and each is named', async (t) => {
  const line = await meet(
    '"R1,R2,R3,R4",10k,0603,',
    ',10k,0603,1,1-1',
    ',10k,0603,0,1-2',
    ',10k,0603,2,1-3',
    ',10k,0603,5,1-1'
  )
  t.match(line, { status: 'enough', available: 4 })
  t.same(line?.locations, [
    { location: '1-1', quantity: 2 },
    { location: '1-3', quantity: 2 }
  ])
})

t.test('lines that lack the same part share an entry of the shopping list', async (t) => {
  const { shoppingList } = await runTask({
    bom: bomList('R1,4k7,0603,', 'R2,4.7k,R_0603,', 'U1,X,SO8,ab 1', 'U2,Y,SO8,AB1', 'H1,-,-,', 'H2,-,-,'),
    stock: stockList()
  })
  t.same(
    shoppingList.map(({ quantity, designators }) => [quantity, ...(designators ?? [])]),
    [
      [2, 'R1', 'R2'],
      [2, 'U1', 'U2'],
      [1, 'H1'],
      [1, 'H2']
    ]
  )
})

t.test('decimal quantities add up', async (t) => {
  const { lines } = await runTask({
    bom: 'Ref,Qty,Value,Package\nW1,0.1,Wire,roll\nW2,0.2,Wire,roll\n',
    stock: stockList(',Wire,roll,0.9,1-1'),
    boards: 3
  })
  t.match(lines, [
    { status: 'enough', needed: 0.3 },
    { status: 'enough', needed: 0.6 }
  ])
})

t.test('no stock is promised twice, whatever the BOM', async () => {
  const value = fc.constantFrom('10k', '10K', '10000', '22k', '10k 1%')
  const code = fc.constantFrom('', 'A', 'a', 'B')
  const bomLine = fc.tuple(value, code, fc.integer({ min: 0, max: 20 }))
  const stockRow = fc.tuple(value, code, fc.integer({ min: 0, max: 20 }))
  await fc.assert(
    fc.asyncProperty(fc.array(bomLine, { minLength: 1 }), fc.array(stockRow), async (bomLines, stockRows) => {
      const { lines, totals, shoppingList } = await runTask({
        bom: [
          'Ref,Qty,Value,Package,MPN',
          ...bomLines.map(([v, c, n], i) => `R${i},${n},${v},0603,${c}`)
        ].join('\n'),
        stock: stockList(...stockRows.map(([v, c, n], i) => `${c},${v},0603,${n},${i}`))
      })

      const left = stockRows.map(([, , quantity]) => quantity)
      let shortages = 0
      for (const { needed = 0, available, shortage, locations = [] } of lines) {
        let drawn = 0
        for (const { location, quantity } of locations) {
          left[Number(location)] = (left[Number(location)] ?? 0) - quantity
          drawn += quantity
        }
        t.equal(available, drawn)
        t.equal(shortage, needed - drawn)
        shortages += shortage ?? 0
      }
      t.ok(left.every((quantity) => quantity >= 0))
      t.equal(
        shoppingList.reduce((sum, { quantity = 0 }) => sum + quantity, 0),
        shortages
      )
      t.equal(totals.enough + totals.partial + totals.missing, bomLines.length)
    }),
    { numRuns: 50 }
  )
})
