import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { echo, post } from '../api.ts'
import { heldTask, inlineType, startApp } from '../helper.ts'

const fails = inlineType({
  type: 'fails',
  run: () => {
    throw new Error('no')
  }
})
const typed = inlineType({
  type: 'typed',
  input: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
  run: (input) => input
})

const batch = (app: FastifyInstance, tasks: object[]) => post(app, '/api/tasks/batch', { tasks })
const list = async (app: FastifyInstance, query = '') =>
  (await app.inject(`/api/tasks?limit=200&${query}`)).json().tasks as { taskId: string; status: string }[]
const task = (n: number, more: object = {}) => ({ type: 'typed', input: { n }, ...more })

/** Starts so many tasks and waits for their end. */
async function finished(app: FastifyInstance, type: string, count: number, labels: object) {
  const { tasks } = (
    await batch(
      app,
      Array.from({ length: count }, () => ({ type, input: {}, labels }))
    )
  ).json()
  for (const { taskId } of tasks) await app.inject(`/api/tasks/${taskId}?wait=60`)
}

t.test('a batch of 1,000 is answered in order, with an address for each', async (t) => {
  const app = await startApp(t, { types: [typed] })

  const response = await batch(
    app,
    Array.from({ length: 1000 }, (_, n) => task(n))
  )

  t.equal(response.statusCode, 202)
  const { tasks } = response.json()
  t.equal(tasks.length, 1000)
  const { taskId } = tasks[999]
  t.strictSame(tasks[999], {
    taskId,
    type: 'typed',
    status: 'pending',
    statusUrl: `/api/tasks/${taskId}`,
    streamUrl: `/api/tasks/${taskId}/stream`
  })
  t.strictSame((await app.inject(`/api/tasks/${tasks[500].taskId}?include=input`)).json().input, { n: 500 })
})

t.test('a batch with a bad task names its index and starts none', async (t) => {
  const app = await startApp(t, { types: [typed] })
  const cases: [object[], number, string, RegExp][] = [
    [
      [task(0), task(1), { type: 'typed', input: { n: 'x' } }],
      400,
      'FST_ERR_VALIDATION',
      /tasks\/2\/input\/n/
    ],
    [[task(0), { type: 'nope', input: 1 }], 400, 'TASK_TYPE_UNKNOWN', /tasks\/1.*nope.*typed/],
    [[task(0), task(1, { priority: 11 })], 400, 'FST_ERR_VALIDATION', /tasks\/1\/priority/],
    [[task(0), task(1, { unknown: 1 })], 400, 'FST_ERR_VALIDATION', /tasks\/1\/unknown/],
    [[task(0, { idempotencyKey: '' })], 400, 'FST_ERR_VALIDATION', /tasks\/0\/idempotencyKey/],
    [[task(0, { runAt: '9999-01-01T00:00:00Z' })], 400, 'FST_ERR_VALIDATION', /tasks\/0\/runAt/],
    [[], 400, 'FST_ERR_VALIDATION', /tasks/],
    [Array.from({ length: 1001 }, (_, n) => task(n)), 400, 'FST_ERR_VALIDATION', /tasks/]
  ]

  for (const [tasks, statusCode, code, message] of cases)
    t.match((await batch(app, tasks)).json(), { statusCode, code, message })
  t.strictSame(await list(app), [])
})

t.test('keys in a batch are those of the header', async (t) => {
  const app = await startApp(t, { types: [typed] })
  const headers = { 'idempotency-key': 'single' }
  const single = await app.inject({ method: 'POST', url: '/api/tasks', headers, payload: task(1) })
  const tasks = [
    task(1, { idempotencyKey: 'single' }),
    task(2, { idempotencyKey: 'b' }),
    task(2, { idempotencyKey: 'b' })
  ]

  const first = await batch(app, tasks)
  const again = await batch(app, tasks)

  t.equal(first.statusCode, 202)
  const ids = first.json().tasks.map(({ taskId }: { taskId: string }) => taskId)
  t.equal(ids[0], single.json().taskId)
  t.equal(ids[1], ids[2])
  t.strictSame(
    again.json().tasks.map(({ taskId }: { taskId: string }) => taskId),
    ids
  )
  t.equal(again.headers['idempotent-replayed'], 'true')
  for (const bad of [
    [task(5), task(9, { idempotencyKey: 'single' })],
    [task(5, { idempotencyKey: 'new' }), task(6, { idempotencyKey: 'new' })]
  ])
    t.match((await batch(app, bad)).json(), {
      statusCode: 422,
      code: 'IDEMPOTENCY_KEY_REUSED',
      message: /tasks\/1/
    })
  t.equal((await list(app)).length, 2)
  app.shutdown.setDraining(true)
  t.equal((await batch(app, tasks)).statusCode, 202, 'replays are answered while draining')
  t.match((await batch(app, [...tasks, task(3)])).json(), { statusCode: 503, code: 'SERVICE_DRAINING' })
})

t.test('a batch that the queue has no room for is refused whole', async (t) => {
  const app = await startApp(t, { env: { MAX_PENDING: '10' }, types: [typed] })

  const response = await batch(
    app,
    Array.from({ length: 11 }, (_, n) => task(n))
  )

  t.match(response.json(), { statusCode: 429, code: 'TASK_QUEUE_FULL' })
  t.ok(response.headers['retry-after'])
  t.strictSame(await list(app), [])
})

t.test('a filter without a condition is refused, and so is one that is not known', async (t) => {
  const app = await startApp(t)

  for (const action of ['cancel', 'retry', 'delete']) {
    const url = `/api/tasks/${action}`
    for (const filter of [{}, { labels: {} }])
      t.match((await post(app, url, { filter })).json(), { statusCode: 400, code: 'FILTER_EMPTY' })
    for (const body of [
      {},
      { filter: { typ: 'x' } },
      { filter: { status: 'done' } },
      { filter: { createdBefore: 'today' } },
      { filter: { labels: { A: '1' } } },
      { filter: { type: 'x' }, limit: 0 },
      { filter: { type: 'x' }, limit: 10_001 },
      { filter: { type: 'x' }, more: true }
    ])
      t.match((await post(app, url, body)).json(), { statusCode: 400, code: 'FST_ERR_VALIDATION' })
  }
})

t.test('many are cancelled: pending ones at once, running ones aborted, none twice', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '2', CANCEL_GRACE: '30' }, types: [held.type, typed] })
  let stop = () => {}
  const stubborn = inlineType({
    type: 'stubborn',
    run: () => new Promise<void>((resolve) => (stop = resolve))
  })
  t.teardown(() => stop())
  const other = await startApp(t, { env: { MAX_WORKERS: '1' }, types: [stubborn] })
  await batch(
    app,
    Array.from({ length: 250 }, () => ({ type: 'held', input: {}, labels: { run: '7' } }))
  )
  await batch(app, [task(1, { labels: { run: '8' } })])
  await held.started(1)

  t.strictSame(
    (await post(app, '/api/tasks/cancel', { filter: { labels: { run: '7' } }, limit: 100 })).json(),
    {
      done: 100,
      more: true
    }
  )
  t.strictSame((await post(app, '/api/tasks/cancel', { filter: { labels: { run: '7' } } })).json(), {
    done: 150,
    more: false
  })
  t.strictSame((await post(app, '/api/tasks/cancel', { filter: { labels: { run: '7' } } })).json(), {
    done: 0,
    more: false
  })
  for (const { taskId } of await list(app, 'label=run:7'))
    t.equal((await app.inject(`/api/tasks/${taskId}?wait=30`)).json().status, 'cancelled')
  t.strictSame(
    (await list(app, 'label=run:8')).map(({ status }) => status === 'cancelled'),
    [false]
  )
  await post(other, '/api/tasks', { type: 'stubborn', input: {} })
  const again = async () => (await post(other, '/api/tasks/cancel', { filter: { type: 'stubborn' } })).json()
  t.strictSame(await again(), { done: 1, more: false })
  t.strictSame(await again(), { done: 0, more: false }, 'one that is being cancelled is not cancelled again')
  t.strictSame((await post(app, '/api/tasks/cancel', { filter: { status: 'completed' } })).json(), {
    done: 0,
    more: false
  })
})

t.test('many are retried: failed ones unless the filter says otherwise, each once', async (t) => {
  const app = await startApp(t, { types: [echo, fails] })
  await finished(app, 'fails', 25, { run: '1' })
  await finished(app, 'echo', 3, { run: '1' })
  const filter = { labels: { run: '1' } }
  const retry = async (body: object) => (await post(app, '/api/tasks/retry', body)).json()

  t.strictSame(await retry({ filter, limit: 5 }), { done: 5, more: true })
  // The retries of the first call may have failed by now, and are matched as well.
  let done = 5
  while (done < 40) done += (await retry({ filter, limit: 7 })).done
  const completed = { filter: { ...filter, status: 'completed' } }
  t.strictSame(await retry(completed), { done: 3, more: false })
  t.strictSame(await retry({ filter: { ...filter, status: 'running' } }), { done: 0, more: false })
  const records = await list(app, 'label=run:1')
  t.equal(records.length, 28 + done + 3)
  const repeated = (records as { retryOf?: string }[]).flatMap(({ retryOf }) => retryOf ?? [])
  t.equal(new Set(repeated).size, repeated.length, 'none was repeated twice')
})

t.test('retries stop when the queue is full, and are refused while draining', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1', MAX_PENDING: '3' }, types: [fails, held.type] })
  for (let n = 0; n < 5; n++) await finished(app, 'fails', 1, { run: '1' })
  await post(app, '/api/tasks', { type: 'held', input: {} })
  await held.started()
  const retry = async () => post(app, '/api/tasks/retry', { filter: { type: 'fails' } })

  t.strictSame((await retry()).json(), { done: 3, more: true })
  const full = await retry()
  t.match(full.json(), { statusCode: 429, code: 'TASK_QUEUE_FULL' })
  t.ok(full.headers['retry-after'])
  app.shutdown.setDraining(true)
  t.match((await retry()).json(), { statusCode: 503, code: 'SERVICE_DRAINING' })
})

t.test('many are deleted, finished ones alone', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [echo, held.type] })
  await finished(app, 'echo', 250, { run: '1' })
  await post(app, '/api/tasks', { type: 'held', input: {}, labels: { run: '1' } })
  await held.started()
  const remove = async (filter: object, limit?: number) =>
    (await post(app, '/api/tasks/delete', { filter, ...(limit && { limit }) })).json()

  t.strictSame(await remove({ createdBefore: '2001-01-01T00:00:00Z' }), { done: 0, more: false })
  t.strictSame(await remove({ createdAfter: new Date(Date.now() + 60_000).toISOString() }), {
    done: 0,
    more: false
  })
  t.strictSame(await remove({ type: 'echo', status: 'failed' }), { done: 0, more: false })
  t.strictSame(await remove({ labels: { run: '1' } }, 200), { done: 200, more: true })
  t.strictSame(await remove({ createdAfter: '2001-01-01T00:00:00Z' }), { done: 50, more: false })
  t.match(await list(app), [{ status: 'running' }])
})
