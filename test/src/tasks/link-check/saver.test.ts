import t from 'tap'
import { Saver } from '../../../../src/tasks/link-check/saver.ts'

/** A saver of a number that only grows, and its writes, each ended by hand. */
function setUp() {
  const written: number[] = []
  const state = { value: 0 }
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = []
  let wake = () => {}
  const saver = new Saver(() => {
    written.push(state.value)
    wake()
    return new Promise<void>((resolve, reject) => ends.push({ resolve, reject }))
  })
  const begun = async (count: number) => {
    while (written.length < count) await new Promise<void>((resolve) => (wake = resolve))
  }
  const save = () => {
    state.value++
    return saver.save()
  }
  return { written, ends, begun, save }
}

t.test('what comes during a write goes into the next one, together', async (t) => {
  const { written, ends, begun, save } = setUp()
  const first = save()
  await begun(1)
  let saved = false
  const others = Promise.all([save(), save(), save()]).then(() => (saved = true))
  ends[0]?.resolve()
  await first
  t.equal(saved, false, 'the first write did not contain them')

  await begun(2)
  ends[1]?.resolve()
  await others
  t.strictSame(written, [1, 4])
})

t.test('a write that fails fails for all who wait', async (t) => {
  const { ends, begun, save } = setUp()
  const first = save()
  await begun(1)
  const second = save()
  ends[0]?.reject(new Error('disk full'))
  await t.rejects(first, { message: 'disk full' })
  await t.rejects(second, { message: 'disk full' })
})
