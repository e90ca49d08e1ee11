import { Writable } from 'node:stream'
import pino from 'pino'
import t from 'tap'
import { buildApp } from '../../src/app.ts'
import { readSettings } from '../../src/config.ts'
import { inlineType, startApp } from '../helper.ts'

const id = '01890a5d-ac96-774b-bcce-b302099a8057'
const echo = inlineType({ type: 'echo', run: (input) => input })
const env = { API_TOKENS: 'first-token, second-token' }

const apiRoutes = [
  ['POST', '/api/tasks'],
  ['GET', '/api/tasks'],
  ['GET', `/api/tasks/${id}`],
  ['GET', `/api/tasks/${id}/stream`],
  ['POST', `/api/tasks/${id}/cancel`],
  ['DELETE', `/api/tasks/${id}`],
  ['GET', '/api/task-types']
] as const

t.test('without API_TOKENS the API is open', async (t) => {
  for (const tokens of ['', ' ', ',', ' , ']) {
    const app = await startApp(t, { env: { API_TOKENS: tokens } })
    t.equal((await app.inject('/api/tasks')).statusCode, 200, `tokens ${JSON.stringify(tokens)}`)
  }
})

t.test('every route of the API asks for a token', async (t) => {
  const app = await startApp(t, { env, types: [echo] })

  for (const [method, url] of apiRoutes) {
    const response = await app.inject({ method, url })
    t.equal(response.statusCode, 401, `${method} ${url}`)
    t.match(response.headers['www-authenticate'], /^Bearer\b/)
    const body = response.json()
    t.same(Object.keys(body).sort(), ['code', 'error', 'message', 'statusCode'])
    t.match(body, { statusCode: 401, code: /^[A-Z][A-Z_]+$/, error: 'Unauthorized' })
  }
})

t.test('each of the tokens opens the API', async (t) => {
  const app = await startApp(t, { env, types: [echo] })

  for (const token of ['first-token', 'second-token']) {
    const headers = { authorization: `Bearer ${token}` }
    for (const [method, url] of apiRoutes)
      t.not((await app.inject({ method, url, headers })).statusCode, 401, `${method} ${url}`)
    const payload = { type: 'echo', input: 1 }
    const posted = await app.inject({ method: 'POST', url: '/api/tasks', headers, payload })
    t.equal(posted.statusCode, 202)
    const stream = await app.inject({ url: posted.json().streamUrl, headers })
    t.match(stream.body, /task_completed/)
  }
})

t.test('anything but a token as it was given is refused', async (t) => {
  const app = await startApp(t, { env })
  const wrong = [
    '',
    'Bearer',
    'Bearer ',
    'Bearer wrong',
    'Bearer first-toke',
    'Bearer first-token2',
    'Bearer FIRST-TOKEN',
    'Bearer first-token,second-token',
    'Bearer first-token, second-token',
    'first-token',
    'Basic first-token',
    `Basic ${Buffer.from('user:first-token').toString('base64')}`,
    `Bearer ${'x'.repeat(10_000)}`
  ]

  for (const authorization of wrong) {
    const response = await app.inject({ url: '/api/tasks', headers: { authorization } })
    t.equal(response.statusCode, 401, authorization.slice(0, 40))
  }
  t.equal((await app.inject('/api/tasks?token=first-token&access_token=first-token')).statusCode, 401)
})

t.test('the token is asked for before anything else is looked at', async (t) => {
  const app = await startApp(t, { env: { ...env, BODY_LIMIT: '10' } })

  const bodies = ['{', '{"type":"nope"}', 'x'.repeat(1000)]
  for (const payload of bodies) {
    const headers = { 'content-type': 'application/json' }
    const response = await app.inject({ method: 'POST', url: '/api/tasks', headers, payload })
    t.equal(response.statusCode, 401, payload.slice(0, 20))
  }
})

t.test('probes, metrics and the description stay open', async (t) => {
  const app = await startApp(t, { env })

  for (const url of ['/healthz', '/readyz', '/readyz?verbose', '/metrics', '/openapi.json', '/docs'])
    t.equal((await app.inject(url)).statusCode, 200, url)
})

t.test('tokens are never logged nor answered', async (t) => {
  const lines: string[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    }
  })
  const logger = pino({ level: 'trace' }, sink)
  const settings = readSettings({ ...env, TASK_STORE_URL: 'sqlite::memory:' })
  const app = await buildApp({ settings, logger })
  t.teardown(() => app.close())

  const answers: string[] = []
  for (const token of ['first-token', 'attempted-secret']) {
    const response = await app.inject({ url: '/api/tasks', headers: { authorization: `Bearer ${token}` } })
    answers.push(response.body + JSON.stringify(response.headers))
  }

  t.ok(lines.length > 0)
  for (const text of [...lines, ...answers]) t.notMatch(text, /first-token|second-token|attempted-secret/)
})
