import t from 'tap'
import { within } from '../../src/timers.ts'

t.test('within says whether a promise resolves in time', async (t) => {
  t.equal(await within(60_000, Promise.resolve('any value')), true)
  t.equal(await within(1, new Promise(() => {})), false)
  t.equal(await within(Number.POSITIVE_INFINITY, Promise.resolve()), true, 'however long that is')
})

t.test('within rejects as its promise does, and not when that comes too late', async (t) => {
  await t.rejects(within(60_000, Promise.reject(new Error('no'))), { message: 'no' })
  let fail = (_error: Error) => {}
  const late = new Promise((_, reject) => {
    fail = reject
  })
  t.equal(await within(1, late), false)
  fail(new Error('nobody waits for it any more'))
})
