import { spawnSync } from 'node:child_process'
import t from 'tap'
import { needsCommand, startApp, urlOf } from '../helper.ts'

t.test('promtool is content with the metrics', { skip: needsCommand('promtool') }, async (t) => {
  const app = await startApp(t)
  const metrics = await (await fetch(`${urlOf(app)}/metrics`)).text()

  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: metrics,
    encoding: 'utf8'
  })

  t.equal(status, 0)
  t.equal(stdout + stderr, '')
})
