import { Writable } from 'node:stream'
import pino from 'pino'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { readSettings } from '../../src/config.ts'

interface Line {
  level: number
  msg: string
  [field: string]: unknown
}

async function loggedApp(t: Test) {
  const lines: Line[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)))
      done()
    }
  })
  const logger = pino({ level: 'info', base: null }, sink)
  const app = await buildApp({ settings: readSettings({ TASK_STORE_URL: 'sqlite::memory:' }), logger })
  app.get('/fails', async () => {
    throw new Error('a bug')
  })
  t.teardown(() => app.close())
  await app.ready()
  lines.length = 0
  return { app, lines, requests: () => lines.filter(({ msg }) => msg === 'request answered') }
}

t.test('each request is one line: what was asked, what was answered, and how long it took', async (t) => {
  const { app, lines } = await loggedApp(t)

  await app.inject('/api/tasks?limit=3')
  await app.inject({ method: 'POST', url: '/api/tasks', payload: { type: 'nope', input: 1 } })
  await app.inject('/nowhere')

  t.match(lines, [
    { level: 30, msg: 'request answered', method: 'GET', url: '/api/tasks?limit=3', status: 200, ms: Number },
    { level: 30, msg: 'request answered', method: 'POST', url: '/api/tasks', status: 400, ms: Number },
    { level: 30, msg: 'request answered', method: 'GET', url: '/nowhere', status: 404, ms: Number }
  ])
  t.equal(lines.length, 3)
})

t.test('probes and scrapes are not logged', async (t) => {
  const { app, lines } = await loggedApp(t)

  for (const url of ['/healthz', '/readyz', '/readyz?verbose', '/metrics']) await app.inject(url)

  t.same(lines, [])
})

t.test('a request that failed through our fault is a warning, with the error beside it', async (t) => {
  const { app, lines, requests } = await loggedApp(t)

  await app.inject('/fails')

  t.match(requests(), [{ level: 40, status: 500, url: '/fails' }])
  const error = lines.find(({ level }) => level === 50)
  t.match(error, { err: { message: 'a bug', stack: /request-log\.test/ } })
})

t.test('in a drain a refused task is a warning, and a probe is still not logged', async (t) => {
  const { app, requests } = await loggedApp(t)
  app.shutdown.setDraining(true)

  t.equal((await app.inject('/readyz')).statusCode, 503)
  t.equal((await app.inject('/readyz?verbose')).statusCode, 503)
  await app.inject({ method: 'POST', url: '/api/tasks', payload: { type: 'x', input: 1 } })

  t.match(requests(), [{ level: 40, url: '/api/tasks', status: 503 }])
  t.equal(requests().length, 1)
})
