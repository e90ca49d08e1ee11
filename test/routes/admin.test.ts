import t from 'tap'
import { heldTask, startApp } from '../helper.ts'

const token = 'operator'
const headers = { authorization: `Bearer ${token}` }

type App = Awaited<ReturnType<typeof startApp>>
const drain = (app: App, method: 'GET' | 'POST' | 'DELETE', payload?: object) =>
  app.inject({ method, url: '/admin/drain', headers, ...(payload && { payload }) })
const post = (app: App) =>
  app.inject({ method: 'POST', url: '/api/tasks', payload: { type: 'held', input: {} } })

t.test('without an ADMIN_TOKEN the admin API is off', async (t) => {
  const app = await startApp(t)

  for (const method of ['GET', 'POST', 'DELETE'] as const) {
    const response = await drain(app, method)
    t.equal(response.statusCode, 403)
    t.equal(response.json().code, 'ADMIN_DISABLED')
  }
})

t.test('the admin API asks for its token', async (t) => {
  const app = await startApp(t, { env: { ADMIN_TOKEN: token, API_TOKENS: 'client' } })

  for (const authorization of ['', 'Bearer', 'Bearer client', 'Basic operator', 'Bearer operatorr']) {
    const response = await app.inject({ method: 'POST', url: '/admin/drain', headers: { authorization } })
    t.equal(response.statusCode, 401, `${authorization} is refused`)
    t.equal(response.headers['www-authenticate'], 'Bearer')
  }
  t.equal((await app.inject('/readyz')).body, 'ok', 'nothing was drained')
  t.equal((await drain(app, 'GET')).statusCode, 200)
})

t.test('a service that serves says so', async (t) => {
  const app = await startApp(t, { env: { ADMIN_TOKEN: token } })

  t.strictSame((await drain(app, 'GET')).json(), {
    draining: false,
    phase: 'serving',
    reason: null,
    since: null,
    deadline: null,
    activeTasks: 0,
    pendingTasks: 0,
    streams: 0
  })
})

t.test('a drained service is unready, finishes what runs and takes no new tasks', async (t) => {
  const { type, started } = heldTask()
  const app = await startApp(t, {
    env: { ADMIN_TOKEN: token, MAX_WORKERS: '1', TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db` },
    types: [type]
  })
  const running = (await post(app)).json().taskId
  const run = await started()
  await post(app)

  const response = await drain(app, 'POST', { reason: 'new kernel' })

  t.equal(response.statusCode, 202)
  t.match(response.json(), {
    draining: true,
    phase: 'draining',
    reason: 'new kernel',
    since: /^\d{4}-/,
    deadline: null,
    activeTasks: 1,
    pendingTasks: 1
  })
  const ready = await app.inject('/readyz')
  t.strictSame([ready.statusCode, ready.body], [503, 'draining'])
  t.equal((await app.inject('/healthz')).body, 'alive')
  t.match((await app.inject('/readyz?verbose')).json(), {
    status: 'draining',
    activeTasks: 1,
    draining: true
  })
  t.match((await app.inject('/metrics')).body, /^task_draining_state 1$/m)
  const refused = await post(app)
  t.strictSame([refused.statusCode, refused.json().code], [503, 'SERVICE_DRAINING'])
  t.match(refused.headers['retry-after'], /^\d+$/)

  run.release('done')
  const stream = await app.inject(`/api/tasks/${running}/stream`)
  t.match(stream.body, /event: task_completed/)
  t.match(
    (await drain(app, 'GET')).json(),
    { activeTasks: 0, pendingTasks: 1 },
    'what is pending stays pending'
  )
  t.match(
    (await app.inject('/metrics')).body,
    /task_graceful_shutdown_duration_seconds_count\{reason="admin",outcome="clean"\} 1/
  )
})

t.test('repeating a drain changes nothing', async (t) => {
  const app = await startApp(t, { env: { ADMIN_TOKEN: token } })
  const first = (await drain(app, 'POST')).json()

  const second = await drain(app, 'POST', { reason: 'other' })

  t.equal(second.statusCode, 202)
  t.strictSame(second.json(), first)
  t.equal(first.reason, 'admin')
})

t.test('an undrained service takes tasks again and claims what is pending', async (t) => {
  const { type, started } = heldTask()
  const app = await startApp(t, {
    env: { ADMIN_TOKEN: token, MAX_WORKERS: '1', TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db` },
    types: [type]
  })
  await post(app)
  const first = await started(0)
  await post(app)
  await drain(app, 'POST')
  first.release()

  const response = await drain(app, 'DELETE')

  t.equal(response.statusCode, 200)
  t.match(response.json(), { draining: false, phase: 'serving', reason: null, since: null })
  await started(1)
  t.equal((await post(app)).statusCode, 202)
  t.equal((await app.inject('/readyz')).body, 'ok')
  t.match((await app.inject('/metrics')).body, /^task_draining_state 0$/m)
})

t.test('an idempotent replay is answered while draining', async (t) => {
  const { type } = heldTask()
  const app = await startApp(t, { env: { ADMIN_TOKEN: token }, types: [type] })
  const request = {
    method: 'POST',
    url: '/api/tasks',
    headers: { 'idempotency-key': 'k' },
    payload: { type: 'held', input: {} }
  } as const
  const first = await app.inject(request)
  await drain(app, 'POST')

  const second = await app.inject(request)

  t.equal(second.statusCode, 202)
  t.equal(second.headers['idempotent-replayed'], 'true')
  t.strictSame(second.json(), first.json())
})

t.test('a bad reason is refused and drains nothing', async (t) => {
  const app = await startApp(t, { env: { ADMIN_TOKEN: token } })

  for (const payload of [{ reason: '' }, { reason: 7 }, { why: 'x' }, { reason: 'x'.repeat(201) }]) {
    const response = await drain(app, 'POST', payload)
    t.strictSame([response.statusCode, response.json().code], [400, 'FST_ERR_VALIDATION'])
  }
  t.equal((await drain(app, 'GET')).json().draining, false)
})
