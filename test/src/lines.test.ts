import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { LineSplitter, lineWriter, readLines } from '../../src/lines.ts'

t.test('lines are put together from chunks, also inside of a character', async (t) => {
  const splitter = new LineSplitter()
  const [first, second] = [Buffer.from('10 Ω\nmore').subarray(0, 4), Buffer.from('10 Ω\nmore').subarray(4)]

  t.strictSame(splitter.push(first), [])
  t.strictSame(splitter.push(second), ['10 Ω'])
  t.strictSame(splitter.flush(), ['more'])
  t.strictSame(splitter.flush(), [])
})

t.test('empty lines are skipped, and both kinds of line end are understood', async (t) => {
  t.strictSame(new LineSplitter().push('a\r\n\r\n \nb\n'), ['a', 'b'])
})

t.test('a line of more than 16 KiB is split', async (t) => {
  const lines = new LineSplitter().push(`${'x'.repeat(40_000)}\n`)

  t.strictSame(
    lines.map(({ length }) => length),
    [16_384, 16_384, 7_232]
  )
})

t.test('a write in place of a stream calls back like the stream', async (t) => {
  const lines: string[] = []
  const write = lineWriter(new LineSplitter(), (more) => lines.push(...more))

  const called = new Promise<void>((resolve) =>
    t.equal(
      write('a\nb', 'utf8', () => resolve()),
      true
    )
  )

  await called
  t.strictSame(lines, ['a'])
})

t.test('a stream is read to its end, its last line included', async (t) => {
  const lines: string[] = []

  await readLines(Readable.from(['a\n', 'b\nc']), (line) => lines.push(line))

  t.strictSame(lines, ['a', 'b', 'c'])
})

t.test('a stream that breaks gives the lines that it had', async (t) => {
  const stream = new PassThrough()
  const lines: string[] = []
  const read = readLines(stream, (line) => {
    lines.push(line)
    stream.destroy(new Error('gone'))
  })
  stream.write('a\nb')

  await read

  t.equal(lines[0], 'a')
})
