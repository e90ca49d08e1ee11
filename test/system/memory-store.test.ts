import { join } from 'node:path'
import t from 'tap'
import { startServer } from '../helper.ts'
import { taskFiles } from '../task-files.ts'

t.setTimeout(120_000)

const types = t.testdir({
  ...taskFiles('hold'),
  'again.mjs': `export default {
    type: 'again', description: 'Fails, and waits for its next attempt.', input: {}, isolation: 'inline', attempts: 2,
    backoffSeconds: 1000, run: () => { throw new Error('not yet') }
  }`
})

t.test(
  'in memory, what is still pending when the grace period is over is cancelled with its event',
  async (t) => {
    const server = await startServer(t, {
      TASK_STORE_URL: 'sqlite::memory:',
      TASKS_DIR: join(types),
      MAX_WORKERS: '1',
      GRACEFUL_SHUTDOWN_TIMEOUT: '0.5'
    })
    const start = async (type: string) => {
      const body = JSON.stringify({ type, input: {} })
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`${server.url}/api/tasks`, { method: 'POST', headers, body })
      const { streamUrl } = (await answer.json()) as { streamUrl: string }
      return (await fetch(`${server.url}${streamUrl}`)).text()
    }
    const waits = start('again')
    await server.logged(({ msg }) => msg === 'attempt failed')
    const runs = start('hold')
    const more = Array.from({ length: 500 }, () => start('hold'))
    const metrics = async () => (await fetch(`${server.url}/metrics`)).text()
    while (!/^task_pending 501$/m.test(await metrics()))
      await new Promise((resolve) => setTimeout(resolve, 20))

    server.child.kill('SIGTERM')

    const cancelled = /event: task_cancelled\ndata: .*"data":\{"reason":"shutdown"\}\}\n\n$/
    for (const stream of await Promise.all([waits, runs, ...more])) t.match(stream, cancelled)
    t.strictSame(await server.exited, [0, null])
  }
)

t.test(
  'in memory, a task that waits for its time is cancelled at the end of a drain that nobody waited for',
  async (t) => {
    const server = await startServer(t, { TASK_STORE_URL: 'sqlite::memory:' })
    const answer = await fetch(`${server.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'demo', input: {}, delaySeconds: 3600 })
    })
    const { streamUrl } = (await answer.json()) as { streamUrl: string }
    const stream = (await fetch(`${server.url}${streamUrl}`)).text()

    server.child.kill('SIGTERM')

    t.match(await stream, /event: task_cancelled\ndata: .*"data":\{"reason":"shutdown"\}\}\n\n$/)
    t.strictSame(await server.exited, [0, null])
  }
)
