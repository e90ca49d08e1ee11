import t from 'tap'
import { Health } from '../../src/health.ts'

t.test('each check is healthy, or says why not', async (t) => {
  const health = new Health()
  health.addCheck('good', async () => {})
  health.addCheck('bad', async () => {
    throw new Error('it is away')
  })

  t.same(await health.check(), { good: { ok: true }, bad: { ok: false, detail: 'it is away' } })
  t.same(await health.check(['bad']), { good: { ok: true } })
})

t.test('a check that does not answer in a second has failed', async (t) => {
  const health = new Health()
  health.addCheck('stuck', () => new Promise(() => {}))

  t.same(await health.check(), { stuck: { ok: false, detail: 'no answer' } })
})
