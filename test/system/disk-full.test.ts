import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { needsCommand, startServer } from '../helper.ts'

// A limit on the size of the files that a process writes is, to SQLite, a disk that is full.
const limitFiles = (pid: number | undefined, bytes: number | 'unlimited') =>
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`])

t.test('a full disk refuses tasks and loses nothing', { skip: needsCommand('prlimit') }, async (t) => {
  // The task asks this server and gets no answer until the test gives it.
  const gate = createServer().listen(0, '127.0.0.1')
  t.teardown(() => gate.close())
  await once(gate, 'listening')
  const dir = t.testdir({
    'gated.mjs': `
      process.on('SIGXFSZ', () => {}) // a limit on files also sends a signal, which a full disk does not
      export default {
        type: 'gated', description: '', input: {}, isolation: 'inline',
        async run () { return await (await fetch('http://127.0.0.1:${(gate.address() as AddressInfo).port}')).text() }
      }`
  })
  const server = await startServer(t, { TASK_STORE_URL: `sqlite:${dir}/tasks.db`, TASKS_DIR: dir })
  const post = () =>
    fetch(`${server.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'gated', input: {} })
    })
  const get = async (path: string) => (await fetch(`${server.url}${path}`)).text()
  const asked = once(gate, 'request')
  const { taskId } = (await (await post()).json()) as { taskId: string }
  const [, answer] = await asked

  limitFiles(server.child.pid, 4096)
  const refused = await post()

  t.equal(refused.status, 503)
  t.match(refused.headers.get('retry-after'), /^\d+$/)
  t.match(await refused.json(), { code: 'STORE_UNAVAILABLE' })
  t.equal(await get('/readyz'), 'task service unhealthy')
  t.equal(await get('/healthz'), 'alive')
  t.match(JSON.parse(await get(`/api/tasks/${taskId}`)), { status: 'running' }, 'what is there can be read')
  answer.end('done')
  await server.logged(({ msg }) => msg === 'the task store cannot be written')

  limitFiles(server.child.pid, 'unlimited')
  await server.logged(({ msg }) => msg === 'the task store can be written again')

  t.match(await get(`/api/tasks/${taskId}/stream`), /event: task_completed/)
  t.match(JSON.parse(await get(`/api/tasks/${taskId}`)), { status: 'completed', result: 'done' })
  t.equal(await get('/readyz'), 'ok')
  t.equal((await post()).status, 202)
})
