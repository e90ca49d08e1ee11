import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'
import t from 'tap'
import { heldTask, startApp } from '../helper.ts'

const page = fileURLToPath(new URL('../../ui/', import.meta.url))

t.test('the root leads to the page, by addresses that hold below a path too', async (t) => {
  const app = await startApp(t)

  for (const url of ['/', '/ui']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 302)
    t.equal(response.headers.location, 'ui/')
  }
  const response = await app.inject('/ui/')
  t.equal(response.statusCode, 200)
  t.match(response.headers['content-type'], /^text\/html\b/)
})

t.test("the page may load nothing but its own files, and sits in nobody's frame", async (t) => {
  const app = await startApp(t)

  for (const url of ['/ui/', '/ui/app.js', '/ui/style/base.css', '/ui/vendor/preact.js']) {
    const { statusCode, headers } = await app.inject(url)
    t.equal(statusCode, 200, url)
    t.match(headers['content-security-policy'], /^default-src 'self'; /)
    t.notMatch(headers['content-security-policy'], /unsafe|data:|blob:/)
    t.match(headers, { 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache', etag: String })
  }
  t.equal((await app.inject('/healthz')).headers['content-security-policy'], undefined)
})

t.test('a file that is unchanged is not sent again', async (t) => {
  const app = await startApp(t)
  const { headers } = await app.inject('/ui/app.js')

  const again = await app.inject({ url: '/ui/app.js', headers: { 'if-none-match': String(headers.etag) } })

  t.equal(again.statusCode, 304)
})

t.test('UI_ENABLED=false turns it off', async (t) => {
  const app = await startApp(t, { env: { UI_ENABLED: 'false' } })

  for (const url of ['/', '/ui', '/ui/', '/ui/app.js', '/ui/status.json']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 404, url)
    t.equal(response.json().code, 'ROUTE_NOT_FOUND')
  }
})

t.test('what is not there is the 404 of the service, also outside of its folder', async (t) => {
  const app = await startApp(t)

  for (const url of [
    '/ui/nothing.js',
    '/ui/../package.json',
    '/ui/%2e%2e/package.json',
    '/ui/..%2fpackage.json'
  ])
    t.match((await app.inject(url)).json(), { statusCode: 404, code: 'ROUTE_NOT_FOUND' }, url)
})

t.test('with tokens the files need none, and what they tell of the service does', async (t) => {
  const app = await startApp(t, { env: { API_TOKENS: 'secret' } })

  t.equal((await app.inject('/ui/')).statusCode, 200)
  for (const url of ['/ui/status.json', '/ui/types.json']) {
    t.equal((await app.inject(url)).statusCode, 401, url)
    t.equal((await app.inject({ url, headers: { authorization: 'Bearer secret' } })).statusCode, 200, url)
  }
})

t.test('the status says who answers, what runs and waits, and how a drain stands', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1' }, types: [held.type] })
  const start = (more = {}) =>
    app.inject({ method: 'POST', url: '/api/tasks', payload: { type: 'held', input: {}, ...more } })
  await start()
  await held.started()
  await start()
  await start({ delaySeconds: 60 })

  const status = (await app.inject('/ui/status.json')).json()
  app.shutdown.setDraining(true, 'new disk')
  const draining = (await app.inject('/ui/status.json')).json()

  t.match(status, {
    status: 'ok',
    draining: false,
    phase: 'serving',
    activeTasks: 1,
    pendingTasks: 1,
    scheduledTasks: 1,
    maxWorkers: 1,
    adminEnabled: false,
    pod: String
  })
  t.match(draining, {
    status: 'draining',
    draining: true,
    phase: 'draining',
    reason: 'new disk',
    deadline: null
  })
})

t.test('each type has its counts and durations', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  for (const n of [0, 1, 2]) {
    const payload = { type: 'held', input: {} }
    const { statusUrl } = (await app.inject({ method: 'POST', url: '/api/tasks', payload })).json()
    const run = await held.started(n)
    if (n === 2) run.fail(new Error('as it was told to'))
    else run.release()
    await app.inject(`${statusUrl}?wait=60`)
  }

  const figures = (await app.inject('/ui/types.json')).json()

  t.match(figures, { held: { started: 3, completed: 2, failed: 1, cancelled: 0 } })
  const { mean, p50, p95 } = figures.held.seconds
  t.ok(mean > 0 && p50 > 0 && p95 >= p50, JSON.stringify(figures))
})

t.test('the page is not in the description of the API', async (t) => {
  const app = await startApp(t)

  const { paths } = (await app.inject('/openapi.json')).json()

  t.strictSame(
    Object.keys(paths).filter((path) => path === '/' || path.startsWith('/ui')),
    []
  )
})

t.test('all that a browser loads of it is less than 100 kB, compressed', async (t) => {
  const sizes = readdirSync(page, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(html|js|css|svg)$/.test(name))
    .map((name) => brotliCompressSync(readFileSync(`${page}${name}`)).length)

  const total = sizes.reduce((sum, size) => sum + size, 0)
  t.ok(total < 100_000, `${total} bytes`)
})
