import t from 'tap'
import { coalesceProgress } from '../../src/progress.ts'

/** A store that takes as long as the test wants for each report. */
function slowStore() {
  const written: number[] = []
  const answers: { resolve: () => void; reject: (error: Error) => void }[] = []
  const write = (value: number) =>
    new Promise<void>((resolve, reject) => {
      written.push(value)
      answers.push({ resolve, reject })
    })
  return { written, answers, ...coalesceProgress(write) }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('while the store is busy only the latest report waits', async (t) => {
  const { report, written, answers } = slowStore()
  for (let n = 1; n <= 20; n++) report(n / 20, '', n)
  t.same(written, [0.05])

  answers[0]?.resolve()
  await turn()
  t.same(written, [0.05, 1])
  answers[1]?.resolve()
  await turn()
  t.same(written, [0.05, 1])
  report(1, 'again', 21)
  t.same(written, [0.05, 1, 1])
})

t.test('what waits is passed on at the end, without waiting for the store', async (t) => {
  const { report, flush, written, answers } = slowStore()
  report(0.1, '', 1)
  report(0.9, '', 2)

  flush()

  t.same(written, [0.1, 0.9])
  for (const { resolve } of answers) resolve()
  await turn()
  flush()
  t.same(written, [0.1, 0.9], 'nothing twice')
})

t.test('a report that could not be written does not stop those that follow', async (t) => {
  const { report, written, answers } = slowStore()
  report(0.1, '', 1)
  answers[0]?.reject(new Error('no disk'))
  await turn()

  report(0.2, '', 2)

  t.same(written, [0.1, 0.2])
})
