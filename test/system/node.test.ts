import { execFileSync } from 'node:child_process'
import t from 'tap'
import { programNode, startServer } from '../helper.ts'

t.test('the program runs under the Node that the tests were given', async (t) => {
  const dir = t.testdir({
    'version.mjs': `export default {
      type: 'version', description: 'Says its version.', input: {}, run: () => process.version
    }`
  })
  const server = await startServer(t, { TASK_STORE_URL: 'sqlite::memory:', TASKS_DIR: dir })
  const started = await fetch(`${server.url}/api/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'version', input: {} })
  })
  const { streamUrl } = (await started.json()) as { streamUrl: string }

  const version = execFileSync(programNode, ['-p', 'process.version'], { encoding: 'utf8' }).trim()
  t.match(await (await fetch(server.url + streamUrl)).text(), `"data":"${version}"`)
})
