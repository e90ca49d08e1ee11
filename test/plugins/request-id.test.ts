import { Writable } from 'node:stream'
import pino from 'pino'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { readSettings } from '../../src/config.ts'
import { echo } from '../api.ts'
import { startApp } from '../helper.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

t.test('every answer says the request’s id: the caller’s own, or one that is made', async (t) => {
  const app = await startApp(t, { env: { API_TOKENS: 'secret' } })
  const urls = [
    '/api/tasks',
    '/api/nowhere',
    '/nowhere',
    '/%zz',
    '/healthz',
    '/metrics',
    '/openapi.json',
    '/docs'
  ]

  for (const url of urls) {
    const own = await app.inject({ url, headers: { 'x-request-id': 'Order.17:retry_2-b' } })
    const made = await app.inject({ url })
    t.equal(own.headers['x-request-id'], 'Order.17:retry_2-b', url)
    t.match(made.headers['x-request-id'], uuid, url)
  }
})

t.test('an id that could do harm in a log or a header is replaced', async (t) => {
  const app = await startApp(t)

  for (const id of ['', ' ', 'a b', 'a\tb', 'ä', '{}', '"', 'x'.repeat(129), '<script>', 'a,b']) {
    const { headers } = await app.inject({ url: '/healthz', headers: { 'x-request-id': id } })
    t.match(headers['x-request-id'], uuid, JSON.stringify(id))
  }
  const longest = 'x'.repeat(128)
  const { headers } = await app.inject({ url: '/healthz', headers: { 'x-request-id': longest } })
  t.equal(headers['x-request-id'], longest)
})

async function loggedApp(t: Test) {
  const lines: Record<string, unknown>[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)))
      done()
    }
  })
  const settings = readSettings({ TASK_STORE_URL: 'sqlite::memory:', API_TOKENS: 'shop:secret, plain' })

  const app = await buildApp({ settings, logger: pino({ base: null }, sink), types: [echo] })
  t.teardown(() => app.close())
  await app.ready()
  const post = (headers: Record<string, string>) =>
    app.inject({ method: 'POST', url: '/api/tasks', headers, payload: { type: 'echo', input: 1 } })
  return { post, logged: (msg: string) => lines.filter((line) => line.msg === msg) }
}

t.test(
  'an accepted task is one line with its request, its type and its client; a replay is none',
  async (t) => {
    const { post, logged } = await loggedApp(t)
    const headers = { authorization: 'Bearer secret', 'x-request-id': 'r-1', 'idempotency-key': 'k' }

    const { taskId } = (await post(headers)).json()
    await post({ ...headers, 'x-request-id': 'r-2' })
    await post({ authorization: 'Bearer plain' })

    const accepted = logged('task accepted')
    t.equal(accepted.length, 2)
    t.match(accepted[0], { reqId: 'r-1', taskId, type: 'echo', client: 'shop', address: '127.0.0.1' })
    t.match(accepted[1], { reqId: uuid, type: 'echo', address: '127.0.0.1' })
    t.notOk('client' in (accepted[1] ?? {}))
    t.match(logged('request answered'), [
      { client: 'shop', reqId: 'r-1' },
      { client: 'shop', reqId: 'r-2' },
      {}
    ])
  }
)

t.test('a valid traceparent is on the lines of its request, and not on its answer', async (t) => {
  const { post, logged } = await loggedApp(t)
  const bad = [
    '',
    'x',
    trace.toUpperCase(),
    trace.replace(/^00/, 'ff'),
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`,
    `${trace}-more`
  ]

  for (const traceparent of [trace, ...bad]) {
    const { headers } = await post({ authorization: 'Bearer secret', traceparent })
    t.notOk('traceparent' in headers)
  }

  for (const msg of ['task accepted', 'request answered'])
    t.same(
      logged(msg).map(({ traceparent }) => traceparent),
      [trace, ...bad.map(() => undefined)],
      msg
    )
})
