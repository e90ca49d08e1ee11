import t from 'tap'
import { heldTask, startApp } from '../helper.ts'

t.test('a process that lives says exactly so', async (t) => {
  const app = await startApp(t)

  const response = await app.inject('/healthz')

  t.equal(response.statusCode, 200)
  t.equal(response.body, 'alive')
  t.match(response.headers['content-type'], /^text\/plain\b/)
})

t.test('a ready process answers ok', async (t) => {
  const app = await startApp(t)

  const response = await app.inject('/readyz')

  t.equal(response.statusCode, 200)
  t.equal(response.body, 'ok')
  t.match(response.headers['content-type'], /^text\/plain\b/)
})

t.test('with ?verbose readiness names its checks and counts what runs', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  await app.inject({ method: 'POST', url: '/api/tasks', payload: { type: 'held', input: {} } })
  await held.started()

  for (const url of ['/readyz?verbose', '/readyz?verbose=', '/readyz?verbose=true']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 200)
    t.match(response.headers['content-type'], /^application\/json\b/)
    const { checks, ...rest } = response.json()
    t.same(rest, { status: 'ok', activeTasks: 1, draining: false })
    t.ok(Object.keys(checks).length > 0)
    for (const check of Object.values(checks)) t.match(check, { ok: true })
  }
})

t.test('while draining a process lives and wants no traffic', async (t) => {
  const app = await startApp(t)
  app.shutdown.setDraining(true)

  const ready = await app.inject('/readyz')
  const verbose = await app.inject('/readyz?verbose')
  const alive = await app.inject('/healthz')

  t.equal(ready.statusCode, 503)
  t.equal(ready.body, 'draining')
  t.match(ready.headers['content-type'], /^text\/plain\b/)
  t.equal(verbose.statusCode, 503)
  t.match(verbose.json(), { status: 'draining', draining: true, checks: Object, activeTasks: 0 })
  t.equal(alive.statusCode, 200)
  t.equal(alive.body, 'alive')
})

t.test('after a drain that was undone a process is ready again', async (t) => {
  const app = await startApp(t)
  app.shutdown.setDraining(true)
  app.shutdown.setDraining(false)

  const response = await app.inject('/readyz')

  t.equal(response.statusCode, 200)
  t.equal(response.body, 'ok')
})

t.test('a process whose task service is shut down is not ready', async (t) => {
  const app = await startApp(t)
  await app.tasks.shutdown()

  const ready = await app.inject('/readyz')
  const verbose = await app.inject('/readyz?verbose')
  const alive = await app.inject('/healthz')

  t.equal(ready.statusCode, 503)
  t.equal(ready.body, 'task service unhealthy')
  t.equal(verbose.statusCode, 503)
  t.match(verbose.json(), { status: 'task service unhealthy', draining: false })
  const checks: { ok: boolean; detail?: string }[] = Object.values(verbose.json().checks)
  t.ok(checks.some(({ ok, detail }) => !ok && typeof detail === 'string' && detail !== ''))
  t.equal(alive.statusCode, 200)
})

t.test(
  'one failed check makes the process unready and says why, the others are still reported',
  async (t) => {
    const app = await startApp(t)
    app.health.addCheck('printer', () => Promise.reject(new Error('out of paper')))
    app.health.addCheck('synchronous', () => {
      throw new Error('at once')
    })

    const response = await app.inject('/readyz?verbose')

    t.equal(response.statusCode, 503)
    t.same(response.json().checks.printer, { ok: false, detail: 'out of paper' })
    t.same(response.json().checks.synchronous, { ok: false, detail: 'at once' })
    t.equal(response.json().checks.tasks.ok, true)
  }
)

t.test('a check that is excluded is not asked and does not count', async (t) => {
  const app = await startApp(t)
  app.health.addCheck('printer', () => Promise.reject(new Error('out of paper')))
  await app.tasks.shutdown()

  t.equal((await app.inject('/readyz?exclude=tasks')).statusCode, 503, 'the other one still does')
  const both = await app.inject('/readyz?exclude=tasks&exclude=printer&verbose')
  t.equal(both.statusCode, 200)
  t.match(both.json(), { status: 'ok' })
  t.strictSame(both.json().checks, {})
  app.shutdown.setDraining(true)
  t.equal((await app.inject('/readyz?exclude=tasks&exclude=printer')).body, 'draining')
})

t.test('a check that never answers has failed', async (t) => {
  const app = await startApp(t)
  app.health.addCheck('silent', () => new Promise(() => {}))

  const response = await app.inject('/readyz?verbose')

  t.equal(response.statusCode, 503)
  t.match(response.json().checks.silent, { ok: false, detail: /./ })
})
