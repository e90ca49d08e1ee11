import t from 'tap'
import { cancel, echo, ended, post, start } from '../api.ts'
import { heldTask, inlineType, startApp } from '../helper.ts'

type App = Awaited<ReturnType<typeof startApp>>

const failing = inlineType({
  type: 'failing',
  attempts: 2,
  run: () => {
    throw new Error('no')
  }
})

/** All samples by their name with labels, as Prometheus reads them. */
async function scrape(app: App): Promise<Map<string, number>> {
  const { body } = await app.inject('/metrics')
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(0, space), Number(line.slice(space + 1))]
    })
  )
}

t.test('the store is up until it is closed', async (t) => {
  const app = await startApp(t)
  t.equal((await scrape(app)).get('task_store_up'), 1)
  await app.tasks.shutdown()
  t.equal((await scrape(app)).get('task_store_up'), 0)
})

t.test('every metric of the contract is there, described and typed', async (t) => {
  const app = await startApp(t)

  const response = await app.inject('/metrics')

  t.equal(response.statusCode, 200)
  t.match(response.headers['content-type'], /^text\/plain\b/)
  const kinds = {
    task_active_executions: 'gauge',
    task_draining_state: 'gauge',
    task_graceful_shutdown_duration_seconds: 'histogram',
    task_pending: 'gauge',
    task_started_total: 'counter',
    task_finished_total: 'counter',
    task_attempts_failed_total: 'counter',
    task_duration_seconds: 'histogram',
    task_queue_wait_seconds: 'histogram',
    task_rejected_total: 'counter',
    task_requeued_total: 'counter',
    task_force_terminated_total: 'counter',
    task_abandoned_total: 'counter',
    task_sse_streams: 'gauge',
    task_sse_events_total: 'counter',
    task_store_commit_seconds: 'histogram',
    task_store_up: 'gauge',
    process_resident_memory_bytes: 'gauge',
    nodejs_eventloop_lag_seconds: 'gauge',
    http_request_duration_seconds: 'histogram'
  }
  const lines = response.body.split('\n')
  for (const [name, kind] of Object.entries(kinds)) {
    t.ok(lines.includes(`# TYPE ${name} ${kind}`), `${name} is a ${kind}`)
    t.ok(
      lines.some((line) => line.startsWith(`# HELP ${name} `) && line.length > `# HELP ${name} `.length),
      `${name} has a description`
    )
  }
})

t.test('gauges follow what runs and what waits', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '2' }, types: [held.type] })
  const ids: string[] = []

  t.match(Object.fromEntries(await scrape(app)), { task_active_executions: 0, task_pending: 0 })
  for (let n = 0; n < 5; n++) ids.push(await start(app, { type: 'held', input: n }))
  await held.started(1)
  t.match(Object.fromEntries(await scrape(app)), { task_active_executions: 2, task_pending: 3 })
  await cancel(app, String(ids[4]))
  t.match(Object.fromEntries(await scrape(app)), { task_active_executions: 2, task_pending: 2 })
  for (let n = 0; n < 4; n++) (await held.started(n)).release()
  for (const id of ids) await ended(app, id)
  t.match(Object.fromEntries(await scrape(app)), { task_active_executions: 0, task_pending: 0 })
})

t.test('starts and ends are counted by type and final state', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1' }, types: [held.type, echo, failing] })
  for (let n = 0; n < 3; n++) await ended(app, await start(app, { type: 'echo', input: n }))
  await ended(app, await start(app, { type: 'failing', input: 1 }))
  const running = await start(app, { type: 'held', input: 1 })
  await held.started()
  const pending = await start(app, { type: 'echo', input: 1 })
  await cancel(app, pending)
  await cancel(app, running)
  await ended(app, running)

  const samples = await scrape(app)

  const counted = [...samples].filter(([name]) =>
    /^task_(started_total|finished_total|requeued_total|duration_seconds_count|queue_wait_seconds_count)/.test(
      name
    )
  )
  t.same(Object.fromEntries(counted), {
    'task_started_total{type="echo"}': 3,
    'task_started_total{type="failing"}': 2,
    'task_started_total{type="held"}': 1,
    'task_finished_total{type="echo",status="completed"}': 3,
    'task_finished_total{type="failing",status="failed"}': 1,
    'task_finished_total{type="echo",status="cancelled"}': 1,
    'task_finished_total{type="held",status="cancelled"}': 1,
    'task_requeued_total{type="failing",reason="retry"}': 1,
    'task_duration_seconds_count{type="echo",status="completed"}': 3,
    'task_duration_seconds_count{type="failing",status="failed"}': 1,
    'task_duration_seconds_count{type="held",status="cancelled"}': 1,
    'task_queue_wait_seconds_count{type="echo"}': 3,
    'task_queue_wait_seconds_count{type="failing"}': 2,
    'task_queue_wait_seconds_count{type="held"}': 1
  })
})

t.test('refused tasks are counted by reason, and unknown types never become labels', async (t) => {
  const held = heldTask({ input: { type: 'object' } })
  const app = await startApp(t, { env: { MAX_WORKERS: '1', MAX_PENDING: '1' }, types: [held.type] })
  await start(app, { type: 'held', input: {} })
  await held.started()
  await start(app, { type: 'held', input: {} })

  await post(app, '/api/tasks', { type: 'held', input: {} })
  await post(app, '/api/tasks', { type: 'held', input: {} })
  await post(app, '/api/tasks', { type: 'held', input: 'not an object' })
  for (let n = 0; n < 3; n++) await post(app, '/api/tasks', { type: `mallory-${n}`, input: {} })
  app.shutdown.setDraining(true)
  await post(app, '/api/tasks', { type: 'held', input: {} })

  const { body } = await app.inject('/metrics')
  const rejected = [...(await scrape(app))].filter(([name]) => name.startsWith('task_rejected_total'))
  t.same(Object.fromEntries(rejected), {
    'task_rejected_total{reason="queue_full"}': 2,
    'task_rejected_total{reason="invalid"}': 1,
    'task_rejected_total{reason="unknown_type"}': 3,
    'task_rejected_total{reason="draining"}': 1
  })
  t.notMatch(body, /mallory/)
})

t.test('the draining gauge is 1 while draining', async (t) => {
  const app = await startApp(t)
  const draining = async () => (await scrape(app)).get('task_draining_state')

  t.equal(await draining(), 0)
  app.shutdown.setDraining(true)
  t.equal(await draining(), 1)
  app.shutdown.setDraining(false)
  t.equal(await draining(), 0)
})

t.test('events that were sent are counted', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const taskId = await start(app, { type: 'echo', input: 1 })

  await ended(app, taskId)
  await ended(app, taskId)

  t.match(Object.fromEntries(await scrape(app)), { task_sse_events_total: 4, task_sse_streams: 0 })
})

t.test('transactions of the store are timed', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const before = (await scrape(app)).get('task_store_commit_seconds_count') ?? 0

  await ended(app, await start(app, { type: 'echo', input: 1 }))

  const after = (await scrape(app)).get('task_store_commit_seconds_count') ?? 0
  t.ok(after >= before + 2, `${before} → ${after}`)
})

t.test('an inline task that ignores its signal is counted as abandoned', async (t) => {
  const deaf = inlineType({ type: 'deaf', run: () => new Promise(() => {}) })
  const app = await startApp(t, { env: { CANCEL_GRACE: '0.05' }, types: [deaf] })
  const taskId = await start(app, { type: 'deaf', input: 1 })

  await cancel(app, taskId)
  await ended(app, taskId)

  t.match(Object.fromEntries(await scrape(app)), {
    'task_abandoned_total{type="deaf"}': 1,
    'task_finished_total{type="deaf",status="cancelled"}': 1,
    task_active_executions: 0
  })
})

t.test('a thread that had to be terminated is counted', async (t) => {
  const dir = t.testdir({
    'spin.mjs': `export default {
      type: 'spin', description: 'Never ends.', input: {},
      run (_input, ctx) { ctx.progress(0.1); for (;;); }
    }`
  })
  const app = await startApp(t, { env: { CANCEL_GRACE: '0.05', TASKS_DIR: dir, TASK_TIMEOUT: '0.2' } })

  await ended(app, await start(app, { type: 'spin', input: 1 }))

  t.match(Object.fromEntries(await scrape(app)), {
    'task_force_terminated_total{type="spin"}': 1,
    'task_finished_total{type="spin",status="cancelled"}': 1
  })
})

t.test('a shutdown is reported once by the next process on the same store', async (t) => {
  const env = { TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db` }
  const shutdowns = (samples: Map<string, number>) =>
    [...samples].filter(([name]) => name.startsWith('task_graceful_shutdown_duration_seconds_count'))

  const first = await startApp(t, { env })
  t.same(shutdowns(await scrape(first)), [])
  await first.close()
  const second = await startApp(t, { env })
  const reported = shutdowns(await scrape(second))
  const buckets = [...(await scrape(second)).keys()].filter((name) => name.includes('le="900"'))

  t.equal(reported.length, 1)
  t.match(reported[0]?.[0], /reason="\w+"/)
  t.match(reported[0]?.[0], /outcome="clean"/)
  t.equal(reported[0]?.[1], 1)
  t.ok(buckets.some((name) => name.startsWith('task_graceful_shutdown_duration_seconds_bucket')))
})

t.test('routes are timed under their pattern, probes and scrapes are left out', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const taskId = await start(app, { type: 'echo', input: 1 })
  for (const url of [
    `/api/tasks/${taskId}`,
    '/healthz',
    '/readyz',
    '/metrics',
    '/secret-path',
    '/wp-login.php'
  ])
    await app.inject(url)

  const names = [...(await scrape(app)).keys()].filter((name) =>
    name.startsWith('http_request_duration_seconds_count')
  )

  t.ok(names.some((name) => name.includes('route="/api/tasks/:taskId"') && name.includes('method="GET"')))
  t.ok(names.some((name) => name.includes('status_code="202"')))
  for (const name of names) {
    t.notMatch(name, /healthz|readyz|metrics/)
    t.notMatch(name, /secret-path|wp-login/, 'what clients make up does not become a label')
    t.notOk(name.includes(taskId))
  }
})
