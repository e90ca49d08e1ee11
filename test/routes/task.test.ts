import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { echo, ended, post, start as startTask, unknownId } from '../api.ts'
import { heldTask, inlineType, startApp, urlOf } from '../helper.ts'

const fails = inlineType({
  type: 'fails',
  run: () => {
    throw new Error('no')
  }
})

/** Starts a task of a type that takes any input. */
const start = (app: FastifyInstance, type: string, more: object = {}) =>
  startTask(app, { type, input: { n: 1 }, ...more })

t.test('wait answers as soon as the task has ended, for everybody who waits', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const taskId = await start(app, 'held')
  const run = await held.started()
  const waits = [1, 2, 3].map(() => app.inject(`/api/tasks/${taskId}?wait=60`))

  await sleep(50)
  run.release({ done: true })

  for (const response of await Promise.all(waits))
    t.match(response.json(), { taskId, status: 'completed', result: { done: true } })
})

t.test('wait answers when the time is over, with the task as it is', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const taskId = await start(app, 'held')
  await held.started()

  const startedAt = performance.now()
  const response = await app.inject(`/api/tasks/${taskId}?wait=0.2`)

  t.ok(performance.now() - startedAt >= 190)
  t.match(response.json(), { taskId, status: 'running' })
  t.match((await app.inject(`/api/tasks/${taskId}?wait=0`)).json(), { status: 'running' })
})

t.test('wait is 0 to 60 seconds, and does not wait for what is not there', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const taskId = await start(app, 'echo')

  for (const wait of ['-1', '60.1', 'x', '', '1,2', 'Infinity'])
    t.equal((await app.inject(`/api/tasks/${taskId}?wait=${wait}`)).statusCode, 400, wait)
  t.equal((await app.inject(`/api/tasks/${unknownId}?wait=30`)).statusCode, 404)
})

t.test('wait is answered before the process exits, and costs nothing when its client is gone', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1' }, types: [held.type] })
  await start(app, 'held')
  const pending = await start(app, 'held')
  const socket = connect(Number(new URL(urlOf(app)).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`GET /api/tasks/${pending}?wait=60 HTTP/1.1\r\nHost: x\r\n\r\n`)
  const wait = fetch(`${urlOf(app)}/api/tasks/${pending}?wait=60`)
  await sleep(50)
  socket.destroy()

  await app.close()

  const response = await wait
  t.equal(response.status, 200)
  t.match(await response.json(), { taskId: pending })
})

t.test('include=input answers the input with its defaults, also of a finished task', async (t) => {
  const typed = inlineType({
    type: 'typed',
    input: {
      type: 'object',
      properties: { n: { type: 'integer' }, unit: { type: 'string', default: 'mm' } }
    },
    run: () => null
  })
  const app = await startApp(t, { types: [typed] })
  const taskId = await start(app, 'typed')
  await ended(app, taskId)

  t.strictSame((await app.inject(`/api/tasks/${taskId}?include=input`)).json().input, { n: 1, unit: 'mm' })
  t.notOk('input' in (await app.inject(`/api/tasks/${taskId}`)).json())
  t.notOk('input' in (await app.inject('/api/tasks')).json().tasks[0])
  for (const include of ['result', 'input,result', '', 'input&include=input'])
    t.equal((await app.inject(`/api/tasks/${taskId}?include=${include}`)).statusCode, 400, include)
})

t.test('a retry is a new task of the same type, input, priority and labels', async (t) => {
  const app = await startApp(t, { types: [fails] })
  const labels = { shop: 'north' }
  const first = await start(app, 'fails', { priority: 7, labels })
  t.match(await ended(app, first), { status: 'failed' })

  const response = await post(app, `/api/tasks/${first}/retry`, undefined, { 'x-request-id': 'again' })

  t.equal(response.statusCode, 202)
  const { taskId, type, status, statusUrl, streamUrl } = response.json()
  t.not(taskId, first)
  t.match({ type, status }, { type: 'fails', status: 'pending' })
  t.equal(response.headers.location, statusUrl)
  t.equal(streamUrl, `/api/tasks/${taskId}/stream`)
  const second = (await app.inject(`/api/tasks/${taskId}?wait=30&include=input`)).json()
  t.match(second, { retryOf: first, priority: 7, labels, input: { n: 1 }, requestId: 'again' })
  t.match((await app.inject(`/api/tasks/${first}`)).json(), { status: 'failed', retriedAs: taskId })
})

t.test('a retry takes an Idempotency-Key; what has not ended, or is not there, is not retried', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type, echo] })
  const [done, other, running] = [
    await start(app, 'echo'),
    await start(app, 'echo'),
    await start(app, 'held')
  ]
  await Promise.all([ended(app, done), ended(app, other)])
  const key = { 'idempotency-key': 'k' }

  const first = await post(app, `/api/tasks/${done}/retry`, undefined, key)
  const again = await post(app, `/api/tasks/${done}/retry`, undefined, key)

  t.equal(first.statusCode, 202)
  t.equal(again.json().taskId, first.json().taskId)
  t.equal(again.headers['idempotent-replayed'], 'true')
  t.match((await post(app, `/api/tasks/${other}/retry`, undefined, key)).json(), {
    statusCode: 422,
    code: 'IDEMPOTENCY_KEY_REUSED'
  })
  t.match((await post(app, `/api/tasks/${running}/retry`)).json(), {
    statusCode: 409,
    code: 'TASK_NOT_FINISHED'
  })
  t.match((await post(app, `/api/tasks/${unknownId}/retry`)).json(), {
    statusCode: 404,
    code: 'TASK_NOT_FOUND'
  })
  app.shutdown.setDraining(true)
  t.equal(
    (await post(app, `/api/tasks/${done}/retry`, undefined, key)).statusCode,
    202,
    'a replay while draining'
  )
  t.match((await post(app, `/api/tasks/${done}/retry`)).json(), { statusCode: 503, code: 'SERVICE_DRAINING' })
})

t.test('labels and times are checked', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const ahead = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, 'v']))
  const good = [
    { labels: {} },
    { labels: { 'a.b_c-9': 'any: text, ü' } },
    { labels: { ['k'.repeat(63)]: 'v'.repeat(128) } },
    { labels: many(16) },
    { delaySeconds: 0 },
    { delaySeconds: 31_536_000 },
    { runAt: ahead(365.9) },
    { runAt: '2001-01-01T00:00:00+02:00' }
  ]
  const bad = [
    { labels: { A: 'v' } },
    { labels: { '-a': 'v' } },
    { labels: { '': 'v' } },
    { labels: { ['k'.repeat(64)]: 'v' } },
    { labels: { a: '' } },
    { labels: { a: 'v'.repeat(129) } },
    { labels: { a: 1 } },
    { labels: many(17) },
    { labels: ['a'] },
    { delaySeconds: -1 },
    { delaySeconds: 31_536_001 },
    { delaySeconds: '1' },
    { runAt: ahead(366.1) },
    { runAt: 'tomorrow' },
    { runAt: Date.now() },
    { runAt: ahead(1), delaySeconds: 1 }
  ]

  for (const more of good) {
    const response = await post(app, '/api/tasks', { type: 'echo', input: {}, ...more })
    t.equal(response.statusCode, 202, JSON.stringify(more).slice(0, 60))
  }
  for (const more of bad) {
    const { statusCode, code, message } = (
      await post(app, '/api/tasks', { type: 'echo', input: {}, ...more })
    ).json()
    t.equal(statusCode, 400, JSON.stringify(more).slice(0, 60))
    t.equal(code, 'FST_ERR_VALIDATION')
    t.match(message, new RegExp(Object.keys(more)[0] ?? ''))
  }
})

t.test('a delay is a time at which the task is started, and the record says which', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const before = Date.now()

  const later = await start(app, 'echo', { delaySeconds: 3600 })
  const soon = await start(app, 'echo', { delaySeconds: 0.2 })

  const { status, runAt, attempt } = (await app.inject(`/api/tasks/${later}`)).json()
  t.match({ status, attempt }, { status: 'pending', attempt: 0 })
  t.ok(Math.abs(Date.parse(runAt) - before - 3_600_000) < 5_000)
  const metrics = (await app.inject('/metrics')).body
  t.match(metrics, /^task_scheduled [12]$/m)
  t.match(metrics, /^task_pending 0$/m)
  t.match(metrics, /^task_oldest_pending_seconds 0$/m)
  const done = await ended(app, soon)
  t.equal(done.status, 'completed')
  t.ok(Date.parse(done.startedAt ?? '') >= Date.parse(done.runAt ?? '') - 1)
})

t.test('a list by label takes up to four of them', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const labels = { a: '1', b: '2', c: 'x:y', d: 'ü & ?' }
  const taskId = await start(app, 'echo', { labels })
  await start(app, 'echo', { labels: { a: '1' } })
  const ask = (...wanted: string[]) =>
    app.inject(`/api/tasks?${wanted.map((label) => `label=${encodeURIComponent(label)}`).join('&')}`)
  const all = Object.entries(labels).map(([key, value]) => `${key}:${value}`)

  t.equal((await ask('a:1')).json().tasks.length, 2)
  const [found, ...others] = (await ask(...all)).json().tasks
  t.match(found, { taskId, labels })
  t.equal(others.length, 0)
  for (const bad of [[...all, 'e:5'], ['a'], [':1'], ['a:'], ['A:1'], [`a:${'v'.repeat(129)}`]]) {
    const response = await ask(...bad)
    t.equal(response.statusCode, 400, bad.join().slice(0, 40))
    t.equal(response.json().code, 'FST_ERR_VALIDATION')
  }
})

t.test('a drain does not wait for what is due later, not even one that runs what is pending', async (t) => {
  const app = await startApp(t, {
    env: {
      GRACEFUL_SHUTDOWN_TIMEOUT: '30',
      TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db`,
      DRAIN_PENDING: 'run'
    },
    types: [echo]
  })
  await start(app, 'echo', { delaySeconds: 3600 })

  const startedAt = performance.now()
  await app.close()

  t.ok(performance.now() - startedAt < 10_000)
})
