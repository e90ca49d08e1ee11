import t from 'tap'
import type { TaskRecord } from '../../../../src/task.ts'
import { startApp, startServer } from '../../../helper.ts'

const post = (input: object) =>
  ({ method: 'POST', url: '/api/tasks', payload: { type: 'demo', input } }) as const

t.test('it counts its steps, with progress, and says how many attempts it took', async (t) => {
  const app = await startApp(t)

  const { taskId } = (await app.inject(post({ seconds: 1, steps: 5 }))).json()

  const record = (await app.inject(`/api/tasks/${taskId}?wait=30`)).json()
  t.match(record, {
    status: 'completed',
    progress: { value: 1, text: 'step 5 of 5' },
    result: { steps: 5, attempts: 1 }
  })
})

t.test('it takes four steps a second, at most 1,000, and 30 seconds, unless told otherwise', async (t) => {
  const app = await startApp(t)
  const steps = async (input: object) => {
    const { taskId } = (await app.inject(post(input))).json()
    const stream = await fetch(`${app.listeningOrigin}/api/tasks/${taskId}/stream`)
    let text = ''
    for await (const chunk of stream.body ?? []) {
      text += new TextDecoder().decode(chunk)
      const total = /step 1 of (\d+)/.exec(text)?.[1]
      if (total) return Number(total)
    }
    return undefined
  }

  t.equal(await steps({}), 120)
  t.equal(await steps({ seconds: 600 }), 1000)
  for (const input of [{ seconds: 0.9 }, { seconds: 3601 }, { steps: 0 }, { steps: 1001 }, { failAt: 1.1 }])
    t.equal((await app.inject(post(input))).statusCode, 400, JSON.stringify(input))
})

t.test('it throws once when it passes failAt, and goes on from there', async (t) => {
  const app = await startApp(t)

  for (const failAt of [0, 0.5, 1]) {
    const { taskId } = (await app.inject(post({ seconds: 1, steps: 4, failAt }))).json()
    const record = (await app.inject(`/api/tasks/${taskId}?wait=30`)).json()
    t.match(record, { status: 'completed', result: { steps: 4, attempts: 2 } }, `failAt ${failAt}`)
    t.match(record.attempts, [{ outcome: 'retry', error: { code: 'DEMO_FAILED' } }, { outcome: 'completed' }])
  }
})

t.test('it goes on where it was after a shutdown and after a kill', async (t) => {
  const env = { TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db`, GRACEFUL_SHUTDOWN_TIMEOUT: '0' }
  let server = await startServer(t, env)
  const body = JSON.stringify({ type: 'demo', input: { seconds: 8, steps: 80 } })
  const headers = { 'content-type': 'application/json' }
  const started = await fetch(`${server.url}/api/tasks`, { method: 'POST', headers, body })
  const { taskId } = (await started.json()) as TaskRecord
  const record = async (query = '') =>
    (await (await fetch(`${server.url}/api/tasks/${taskId}${query}`)).json()) as TaskRecord

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const before = (await record()).progress.value
    while ((await record()).progress.value <= before);
    server.child.kill(signal)
    await server.exited
    server = await startServer(t, env)
  }

  t.match(await record('?wait=60'), { status: 'completed', result: { steps: 80, attempts: 3 } })
})
