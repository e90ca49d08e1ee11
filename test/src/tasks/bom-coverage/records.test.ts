import fc from 'fast-check'
import t from 'tap'
import { lookAhead, readRecords } from '../../../../src/tasks/bom-coverage/records.ts'

const read = (text: string, delimiter = ',') => [...readRecords(text, delimiter)]
const cellsOf = (text: string, delimiter = ',') => read(text, delimiter).map(({ cells }) => cells)

t.test('lines may end in LF, CR LF or CR, and the last may lack its end', async (t) => {
  t.same(read('a,b\r\nc\rd\n\ne'), [
    { line: 1, cells: ['a', 'b'], unclosed: false },
    { line: 2, cells: ['c'], unclosed: false },
    { line: 3, cells: ['d'], unclosed: false },
    { line: 4, cells: [''], unclosed: false },
    { line: 5, cells: ['e'], unclosed: false }
  ])
  t.same(read(''), [])
})

t.test('a quoted cell holds delimiters, line ends and doubled quotes', async (t) => {
  t.same(cellsOf('"a,b","c\r\nd","e ""f"""'), [['a,b', 'c\r\nd', 'e "f"']])
})

t.test('a record is on the physical line it starts on', async (t) => {
  t.same(
    read('"a\r\nb\rc\nd",x\ny').map(({ line }) => line),
    [1, 5]
  )
})

t.test('text after a closing quote belongs to the cell', async (t) => {
  t.same(cellsOf('"R1, R2" R3,x'), [['R1, R2 R3', 'x']])
  t.same(cellsOf('"a"b"c",x'), [['ab"c"', 'x']])
})

t.test('a quote that does not begin the cell is an ordinary character', async (t) => {
  t.same(cellsOf('HEADER .100" DUAL, "x" ,y'), [['HEADER .100" DUAL', '"x"', 'y']])
})

t.test('a quoted cell that is never closed runs to the end of the file', async (t) => {
  t.same(read('a,"b\nc,d'), [{ line: 1, cells: ['a', 'b\nc,d'], unclosed: true }])
  t.same(read('"'), [{ line: 1, cells: [''], unclosed: true }])
})

t.test('cells are trimmed, quoted or not, and a last delimiter makes a last empty cell', async (t) => {
  t.same(cellsOf(' a ,"\tb ",\u00a0c,'), [['a', 'b', 'c', '']])
  t.same(cellsOf('a\t b \t', '\t'), [['a', 'b', '']])
})

t.test('what a spreadsheet wraps to keep its zeros is unwrapped', async (t) => {
  t.same(cellsOf('="0603",x,"=""01005"""'), [['0603', 'x', '01005']])
  t.same(cellsOf('="a"&"b",=1+2,="x'), [['="a"&"b"', '=1+2', '="x']])
})

t.test('records to come can be seen before, and come all the same', async (t) => {
  const records = lookAhead(readRecords('1\n2\n3\n4', ','))
  t.same(
    records.peek(2).map(({ line }) => line),
    [1, 2]
  )
  t.equal(records.next()?.line, 1)
  t.same(
    records.peek(9).map(({ line }) => line),
    [2, 3, 4]
  )
  t.same([records.next()?.line, records.next()?.line, records.next()?.line], [2, 3, 4])
  t.equal(records.next(), undefined)
  t.same(records.peek(1), [])
})

t.test('no cell is lost on a round trip, whatever is in it', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'µ', '\0', '1') })
  fc.assert(
    fc.property(fc.array(fc.array(cell, { minLength: 1 })), (table) => {
      const text = table
        .map((row) => row.map((one) => `"${one.replaceAll('"', '""')}"`).join(','))
        .join('\r\n')
      const expected = table.map((row) => row.map((one) => one.trim()))
      t.same(cellsOf(text), expected)
    })
  )
})

t.test('without quotes every physical line is a record, and knows its number', async () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', ',', '\n', '\r') }), (text) => {
      const lines = text.split(/\r\n|\r|\n/)
      if (lines.at(-1) === '') lines.pop()
      t.same(
        read(text).map(({ line }) => line),
        lines.map((_, index) => index + 1)
      )
    })
  )
})
