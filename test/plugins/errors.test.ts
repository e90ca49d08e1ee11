import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { readSettings } from '../../src/config.ts'
import { TaskError } from '../../src/errors.ts'
import { startApp, urlOf } from '../helper.ts'

/** The app with a route that throws what it is told to. */
async function throwingApp(t: Test, thrown: unknown) {
  const app = await buildApp({ settings: readSettings({ TASK_STORE_URL: 'sqlite::memory:' }) })
  app.get('/throws', async () => {
    throw thrown
  })
  t.teardown(() => app.close())
  return app
}

/** Sends text as it is and gives back all that comes until the connection is closed. */
async function raw(url: string, text: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('utf8')
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  // A server that closes while we still write is a reset for us.
  socket.on('error', () => {})
  await once(socket, 'connect')
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(text)
  await closed
  return answer
}

function parse(answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), head, body: JSON.parse(body) }
}

t.test('an expected error is answered with its status, code and message', async (t) => {
  const cases = [
    [new TaskError('TASK_NOT_FOUND', 'x'), 404, 'TASK_NOT_FOUND', 'Not Found'],
    [new TaskError('TASK_ALREADY_FINISHED', 'x', 'failed'), 409, 'TASK_ALREADY_FINISHED', 'Conflict'],
    [new TaskError('TASK_NOT_FINISHED', 'x', 'running'), 409, 'TASK_NOT_FINISHED', 'Conflict'],
    [new TaskError('SHUTTING_DOWN'), 409, 'SHUTTING_DOWN', 'Conflict'],
    [new TaskError('IDEMPOTENCY_KEY_REUSED'), 422, 'IDEMPOTENCY_KEY_REUSED', 'Unprocessable Entity'],
    [new TaskError('TASK_QUEUE_FULL', 5), 429, 'TASK_QUEUE_FULL', 'Too Many Requests'],
    [new TaskError('SERVICE_DRAINING'), 503, 'SERVICE_DRAINING', 'Service Unavailable'],
    [new TaskError('STORE_UNAVAILABLE', 'disk full'), 503, 'STORE_UNAVAILABLE', 'Service Unavailable'],
    [new TaskError('TASK_TYPE_UNKNOWN', 'x', 'a, b'), 400, 'TASK_TYPE_UNKNOWN', 'Bad Request']
  ] as const

  for (const [error, statusCode, code, reason] of cases) {
    const app = await throwingApp(t, error)
    const response = await app.inject('/throws')
    t.equal(response.statusCode, statusCode)
    t.same(response.json(), { statusCode, code, error: reason, message: error.message })
    t.equal('retry-after' in response.headers, statusCode === 429 || statusCode === 503, code)
  }
})

t.test('a bug is a plain 500 that gives nothing away', async (t) => {
  const bugs = [
    new Error('password is hunter2'),
    Object.assign(new Error('password is hunter2'), { code: 'EPRIVATE', statusCode: 502 }),
    Object.assign(new Error('password is hunter2'), { statusCode: 200 }),
    'password is hunter2',
    { password: 'hunter2' }
  ]

  for (const bug of bugs) {
    const app = await throwingApp(t, bug)
    const response = await app.inject('/throws')
    t.equal(response.statusCode, 500)
    t.match(response.json(), { statusCode: 500, code: 'INTERNAL_ERROR', error: 'Internal Server Error' })
    t.notMatch(response.body, /hunter2|EPRIVATE|at .*\.ts/)
  }
})

t.test('the HTTP errors of sensible keep their status and have a code', async (t) => {
  const { httpErrors } = await startApp(t)

  for (const error of [httpErrors.badRequest('no'), httpErrors.forbidden('no'), httpErrors.imateapot('no')]) {
    const app = await throwingApp(t, error)
    const response = await app.inject('/throws')
    t.equal(response.statusCode, error.statusCode)
    t.match(response.json(), { statusCode: error.statusCode, code: /^[A-Z][A-Z_]+$/, message: 'no' })
  }
})

t.test('an unknown route is answered in the shape of every error, however long it is', async (t) => {
  const app = await startApp(t)

  const short = await app.inject({ method: 'DELETE', url: '/nowhere?x=1' })
  const long = await app.inject(`/${'x'.repeat(10_000)}`)

  t.equal(short.statusCode, 404)
  t.match(short.json(), {
    statusCode: 404,
    code: 'ROUTE_NOT_FOUND',
    error: 'Not Found',
    message: /DELETE \/nowhere/
  })
  t.equal(Object.keys(short.json()).length, 4)
  t.equal(long.statusCode, 404)
  t.ok(long.body.length < 1000, 'the answer does not grow with the question')
})

t.test('a malformed address is answered in the shape of every error', async (t) => {
  const app = await startApp(t)

  for (const url of ['/api/tasks/%zz', '/%', '/api/tasks/%E0%A4%A']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 400, url)
    t.same(Object.keys(response.json()).sort(), ['code', 'error', 'message', 'statusCode'])
    t.match(response.json(), { statusCode: 400, code: 'FST_ERR_BAD_URL' })
  }
})

t.test('what is not HTTP is answered in the shape of every error, and closed', async (t) => {
  const url = urlOf(await startApp(t))
  const garbage = [
    'hello\r\n\r\n',
    '\u0000\u0001\u0002\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET /\u0000 HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\nNo Colon\r\n\r\n',
    'POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
    'POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    'POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'
  ]

  for (const text of garbage) {
    const { status, body } = parse(await raw(url, text))
    t.equal(status, 400, JSON.stringify(text))
    t.same(Object.keys(body).sort(), ['code', 'error', 'message', 'statusCode'])
    t.match(body, { statusCode: 400, error: 'Bad Request', code: /^[A-Z][A-Z_]+$/ })
  }
})

t.test('a header that is too large is 431', async (t) => {
  const url = urlOf(await startApp(t))

  const { status, body } = parse(
    await raw(url, `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`)
  )

  t.equal(status, 431)
  t.match(body, { statusCode: 431, code: 'HPE_HEADER_OVERFLOW', error: 'Request Header Fields Too Large' })
})

t.test('HTTP/1.1 without a host is refused, in the shape of every error', async (t) => {
  const url = urlOf(await startApp(t))

  const answer = await raw(url, 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n')

  t.match(answer, /^HTTP\/1\.1 400 /)
})
