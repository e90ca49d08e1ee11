import { Ajv } from 'ajv'
import fc from 'fast-check'
import t from 'tap'
import task from '../../../../src/tasks/bom-coverage/bom-coverage.ts'
import { bomList, fakeContext, runTask, stockList } from './run-task.ts'

const ajv = new Ajv({ strict: true, useDefaults: true })
const isInput = ajv.compile(task.input)

t.test('it computes in a thread, and may be done again', async (t) => {
  t.match(task, { type: 'bom-coverage', isolation: 'process', onLost: 'requeue', onShutdown: 'requeue' })
})

t.test('the input is exactly one of bom and bomBase64, and boards are one unless said', async (t) => {
  const input = { bom: 'x' }
  t.ok(isInput(input))
  t.same(input, { bom: 'x', boards: 1 })
  t.ok(isInput({ bomBase64: 'eA==', stock: '', boards: 5 }))
})

t.test('a wrong input is refused with an error that names the field', async (t) => {
  const wrong: [unknown, RegExp][] = [
    [{}, /'bom'/],
    [{ bom: 'x', bomBase64: 'eA==' }, /\/bom /],
    [{ bom: 1 }, /\/bom /],
    [{ bom: 'x', boards: 0 }, /\/boards /],
    [{ bom: 'x', boards: 1.5 }, /\/boards /],
    [{ bom: 'x', boards: 1e9 }, /\/boards /],
    [{ bom: 'x', stocks: 'y' }, /additional/]
  ]
  for (const [input, message] of wrong) {
    t.notOk(isInput(input))
    t.match(ajv.errorsText(isInput.errors), message)
  }
})

t.test('bytes in base64 are read as the file they are', async (t) => {
  const file = Buffer.from('Ref;Qty;Value\nC1;1;1\xb5F', 'latin1')
  const result = await runTask({ bomBase64: file.toString('base64') })
  t.match(result, { figures: { encoding: 'windows-1252' }, lines: [{ value: '1µF' }] })
})

t.test('the result has all that was promised', async (t) => {
  const result = await runTask({
    bom: 'Ref,Qty,Value,Footprint,MPN,Description\nR1,1,1k,R_0402,X,RES',
    stock: stockList()
  })
  t.strictSame(result.lines, [
    {
      row: 2,
      designators: ['R1'],
      quantityPerBoard: 1,
      needed: 1,
      value: '1k',
      package: 'R_0402',
      manufacturerCode: 'X',
      description: 'RES',
      dnp: false,
      status: 'missing',
      available: 0,
      shortage: 1,
      locations: [],
      warnings: []
    }
  ])
})

t.test('progress is made step by step and ends at 1', async (t) => {
  const { ctx, steps } = fakeContext()
  await task.run({ bom: bomList('R1,1k,0402,') }, ctx)
  const values = steps.map(({ value }) => value)
  t.equal(values[0], 0)
  t.equal(values.at(-1), 1)
  t.same(values, values.toSorted())
})

t.test('a cancel ends it between two steps', async (t) => {
  const abort = new AbortController()
  const { ctx, steps } = fakeContext(abort.signal)
  const running = task.run({ bom: bomList('R1,1k,0402,') }, ctx)
  abort.abort(new Error('cancelled'))
  await t.rejects(Promise.resolve(running), { message: 'cancelled' })
  t.notOk(steps.some(({ value }) => value === 1))
})

t.test('what cannot be read fails with a code of its own', async (t) => {
  const bom = bomList('R1,1k,0402,')
  await t.rejects(runTask({ bom: 'hello' }), { code: 'BOM_UNREADABLE' })
  await t.rejects(runTask({ bomBase64: '' }), { code: 'BOM_UNREADABLE' })
  await t.rejects(runTask({ bomBase64: '§' }), { code: 'BOM_BASE64_INVALID' })
  await t.rejects(runTask({ bom, stock: 'hello' }), { code: 'STOCK_UNREADABLE' })
  await t.rejects(runTask({ bom: bomList(...Array(60).fill('R1-R9999,1k,0402,')) }), {
    code: 'BOM_TOO_LARGE'
  })
  await t.rejects(runTask({ bom: bomList('R1,1k,0402,').repeat(100_001) }), { code: 'BOM_TOO_LARGE' })
})

t.test('warnings of the BOM and of the stock list come with their rows', async (t) => {
  const { warnings } = await runTask({
    bom: 'Ref,Qty,Value\nR1,1,1k\n-,,Lost part\n',
    stock: stockList('X,,,many,1-1')
  })
  t.match(warnings, [
    { source: 'bom', row: 3 },
    { source: 'stock', row: 2 }
  ])
})

t.test('names of object members are names like any other', async (t) => {
  const result = await runTask({
    bom: '__proto__,Ref,Qty,MPN,constructor\nx,__proto__,1,constructor,y\n',
    stock: 'quantity,manufacturer_code,__proto__\n3,CONSTRUCTOR,z\n'
  })
  t.match(result.lines, [{ designators: ['__proto__'], status: 'enough' }])
})

t.test('any bytes give a result or are no BOM', async (t) => {
  const bytes = fc.uint8Array({ maxLength: 400 })
  const text = fc.string({ unit: fc.constantFrom(...'Rr1,;\t|\n\r"-~. _#:x0\0µ'), maxLength: 400 })
  const header = fc.constantFrom(
    '',
    'Ref,Qty,Value,Footprint\n',
    'sep=;\nRefs;Qty;DNP;Populate\n',
    '\ufeffRef\tQty\n'
  )
  const file = fc.oneof(
    bytes.map((some) => Buffer.from(some)),
    fc.tuple(header, text).map(([first, rest]) => Buffer.from(first + rest)),
    fc.tuple(header, text).map(([first, rest]) => Buffer.from(`\ufeff${first}${rest}`, 'utf16le')),
    fc.tuple(header, bytes).map(([first, rest]) => Buffer.concat([Buffer.from(first), rest]))
  )
  await fc.assert(
    fc.asyncProperty(file, text, async (bom, rows) => {
      try {
        const result = await runTask({ bomBase64: bom.toString('base64'), stock: stockList(rows) })
        t.equal(result.lines.length, result.figures.partLines)
      } catch (error) {
        t.match(error, { code: 'BOM_UNREADABLE' })
      }
    }),
    { numRuns: 500 }
  )
})
