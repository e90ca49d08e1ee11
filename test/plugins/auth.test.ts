import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import t from 'tap'
import { buildApp } from '../../src/app.ts'
import { readSettings } from '../../src/config.ts'
import { echo } from '../api.ts'
import { heldTask, startApp, urlOf } from '../helper.ts'

const id = '01890a5d-ac96-774b-bcce-b302099a8057'

const env = { API_TOKENS: 'first-token, second-token' }

const apiRoutes = [
  ['POST', '/api/tasks'],
  ['GET', '/api/tasks'],
  ['GET', `/api/tasks/${id}`],
  ['GET', `/api/tasks/${id}/stream`],
  ['POST', `/api/tasks/${id}/stream-ticket`],
  ['POST', `/api/tasks/${id}/cancel`],
  ['DELETE', `/api/tasks/${id}`],
  ['GET', '/api/task-types']
] as const

t.test('without API_TOKENS the API is open', async (t) => {
  for (const none of [{}, { API_TOKENS: '' }]) {
    const app = await startApp(t, { env: none })
    t.equal((await app.inject('/api/tasks')).statusCode, 200)
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

t.test(
  'the scheme may be written in any case, and white space around the tokens does not count',
  async (t) => {
    const app = await startApp(t, { env: { API_TOKENS: ' a-token ,\n', ADMIN_TOKEN: 'operator\n' } })

    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      const api = await app.inject({ url: '/api/tasks', headers: { authorization: `${scheme} a-token` } })
      const admin = await app.inject({
        url: '/admin/drain',
        headers: { authorization: `${scheme} operator` }
      })
      t.equal(api.statusCode, 200)
      t.equal(admin.statusCode, 200)
    }
  }
)

t.test('a token may have a name, which is no part of it', async (t) => {
  const app = await startApp(t, { env: { API_TOKENS: 'ci:secret-1, plain, shop : with:colon' } })

  for (const [token, statusCode] of Object.entries({
    'secret-1': 200,
    plain: 200,
    'with:colon': 200,
    ci: 401,
    'ci:secret-1': 401,
    shop: 401
  })) {
    const response = await app.inject({ url: '/api/tasks', headers: { authorization: `Bearer ${token}` } })
    t.equal(response.statusCode, statusCode, token)
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

const bearer = { authorization: 'Bearer first-token' }

/** Starts a task and gives back its id, its stream's address and the ticket in it. */
async function startTask(app: FastifyInstance) {
  const payload = { type: 'echo', input: 1 }
  const response = await app.inject({ method: 'POST', url: '/api/tasks', headers: bearer, payload })
  const { taskId, streamUrl } = response.json()
  return { taskId, streamUrl, ticket: new URLSearchParams(streamUrl.split('?')[1]).get('ticket') ?? '' }
}

t.test('a ticket opens its task and the stream of it, and nothing else', async (t) => {
  const app = await startApp(t, { env: { ...env, ADMIN_TOKEN: 'operator' }, types: [echo] })
  const { taskId, streamUrl, ticket } = await startTask(app)
  const other = await startTask(app)

  t.equal((await app.inject(`/api/tasks/${taskId}?ticket=${ticket}`)).json().taskId, taskId)
  t.match((await app.inject(streamUrl)).body, /task_completed/)
  for (const url of [`/api/tasks/${other.taskId}`, `/api/tasks/${other.taskId}/stream`]) {
    for (const query of [
      `ticket=${ticket}`,
      `ticket=${ticket}&taskId=${taskId}`,
      `taskId=${taskId}&ticket=${ticket}`
    ]) {
      const response = await app.inject(`${url}?${query}`)
      t.equal(response.statusCode, 401, query)
      t.match(response.json(), { statusCode: 401, code: 'TICKET_INVALID' })
    }
  }
  for (const [method, url] of [
    ['POST', '/api/tasks'],
    ['GET', '/api/tasks'],
    ['POST', `/api/tasks/${taskId}/cancel`],
    ['POST', `/api/tasks/${taskId}/stream-ticket`],
    ['DELETE', `/api/tasks/${taskId}`],
    ['GET', '/api/task-types'],
    ['GET', '/admin/drain']
  ] as const) {
    t.equal(
      (await app.inject({ method, url: `${url}?ticket=${ticket}` })).statusCode,
      401,
      `${method} ${url}`
    )
  }
})

t.test('a ticket that was changed, doubled or made up is refused', async (t) => {
  const app = await startApp(t, { env, types: [echo] })
  const { taskId, ticket } = await startTask(app)
  const [expiry = '', signature = ''] = ticket.split('.')
  const later = (Number.parseInt(expiry, 36) + 1000).toString(36)
  const wrong = [
    '',
    '.',
    expiry,
    `${later}.${signature}`,
    `${expiry}.${'A'.repeat(43)}`,
    `${ticket}A`,
    `${expiry}.${signature.slice(1)}`,
    `zzzzzzzzzzzz.${signature}`,
    'x'.repeat(5000)
  ]

  for (const bad of [
    ...wrong.map((text) => `ticket=${encodeURIComponent(text)}`),
    `ticket=${ticket}&ticket=${ticket}`
  ]) {
    for (const url of [`/api/tasks/${taskId}`, `/api/tasks/${taskId}/stream`]) {
      const response = await app.inject(`${url}?${bad}`)
      t.equal(response.statusCode, 401, bad.slice(0, 40))
      t.equal(response.json().code, 'TICKET_INVALID')
    }
  }
})

t.test('a ticket is good for TICKET_TTL seconds', async (t) => {
  const app = await startApp(t, { env: { ...env, TICKET_TTL: '0.05' }, types: [echo] })
  const { taskId } = await startTask(app)
  const url = `/api/tasks/${taskId}/stream-ticket`
  const { streamUrl, expiresAt } = (await app.inject({ method: 'POST', url, headers: bearer })).json()

  // The wall clock decides, and timers may be early by its measure.
  while (Date.now() <= Date.parse(expiresAt)) await sleep(10)
  const response = await app.inject(streamUrl)

  t.equal(response.statusCode, 401)
  t.equal(response.json().code, 'TICKET_INVALID')
  t.equal((await app.inject({ url: streamUrl, headers: bearer })).statusCode, 200, 'a token still opens it')
})

t.test('a ticket is good on every process with the same tokens, or the same secret', async (t) => {
  const reordered = { API_TOKENS: 'named:second-token,first-token' }
  const [one, two, stranger] = [
    await startApp(t, { env, types: [echo] }),
    await startApp(t, { env: reordered, types: [echo] }),
    await startApp(t, { env: { API_TOKENS: 'first-token' }, types: [echo] })
  ]
  const url = (await startTask(one)).streamUrl
  const secret = { TICKET_SECRET: 'shared\n' }
  const three = await startApp(t, { env: { ...env, ...secret }, types: [echo] })
  const four = await startApp(t, { env: { API_TOKENS: 'rotated', ...secret }, types: [echo] })
  const withSecret = (await startTask(three)).streamUrl

  // The task itself is only in the store of the process that took it.
  t.equal((await two.inject(url)).statusCode, 404)
  t.equal((await stranger.inject(url)).statusCode, 401)
  t.equal((await three.inject(url)).statusCode, 401)
  t.equal((await four.inject(withSecret)).statusCode, 404)
})

t.test('stream-ticket gives an address that opens; of an unknown task there is none', async (t) => {
  const app = await startApp(t, { env, types: [echo] })
  const { taskId } = await startTask(app)
  const ask = (taskId: string) =>
    app.inject({ method: 'POST', url: `/api/tasks/${taskId}/stream-ticket`, headers: bearer })

  const response = await ask(taskId)

  t.equal(response.statusCode, 201)
  t.same(Object.keys(response.json()).sort(), ['expiresAt', 'streamUrl'])
  t.ok(Math.abs(Date.parse(response.json().expiresAt) - Date.now() - 3_600_000) < 60_000)
  t.equal((await app.inject(response.json().streamUrl)).statusCode, 200)
  t.match((await ask(id)).json(), { statusCode: 404, code: 'TASK_NOT_FOUND' })
})

t.test('without API_TOKENS addresses carry no ticket', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const payload = { type: 'echo', input: 1 }
  const { taskId, streamUrl } = (await app.inject({ method: 'POST', url: '/api/tasks', payload })).json()

  const response = await app.inject({ method: 'POST', url: `/api/tasks/${taskId}/stream-ticket` })

  t.equal(streamUrl, `/api/tasks/${taskId}/stream`)
  t.equal(response.statusCode, 201)
  t.same(response.json(), { streamUrl, expiresAt: null })
})

t.test('a stream that is open when its ticket expires stays open', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { ...env, TICKET_TTL: '3' }, types: [held.type] })
  const payload = { type: 'held', input: 1 }
  const started = await app.inject({ method: 'POST', url: '/api/tasks', headers: bearer, payload })
  const stream = await fetch(urlOf(app) + started.json().streamUrl)
  t.equal(stream.status, 200)

  const expired = async () =>
    (await app.inject(`/api/tasks/${started.json().taskId}?${started.json().streamUrl.split('?')[1]}`))
      .statusCode === 401
  while (!(await expired())) await sleep(100)
  ;(await held.started()).release('done')

  t.match(await stream.text(), /task_completed/)
})

t.test('tokens and tickets are never logged, and tokens never answered', async (t) => {
  const lines: string[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    }
  })
  const logger = pino({ level: 'trace' }, sink)
  const settings = readSettings({ ...env, TASK_STORE_URL: 'sqlite::memory:', GRACEFUL_SHUTDOWN_TIMEOUT: '0' })
  const app = await buildApp({ settings, logger, types: [echo] })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { ticket, taskId } = await startTask(app)
  for (const key of ['ticket', '%74icket', 'a=1&ticket', 'ticket=x&ticket'])
    await app.inject(`/api/tasks/${taskId}?${key}=${ticket}`)
  await app.inject(`/api/tasks/${taskId}/stream?ticket=${ticket}`)
  await app.inject(`/nowhere?ticket=${ticket}`)
  // No client sends a fragment, but the router takes it for a query.
  for (const fragment of [`#ticket=${ticket}`, `#ticket=${ticket}?x`]) {
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
    socket.write(`GET /api/tasks/${taskId}${fragment} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    socket.resume()
    await once(socket, 'close')
  }

  const answers: string[] = []
  for (const token of ['first-token', 'attempted-secret']) {
    const response = await app.inject({ url: '/api/tasks', headers: { authorization: `Bearer ${token}` } })
    answers.push(response.body + JSON.stringify(response.headers))
  }

  t.ok(lines.length > 0)
  for (const line of lines) t.notOk(line.includes(ticket))
  for (const text of [...lines, ...answers]) t.notMatch(text, /first-token|second-token|attempted-secret/)
})
