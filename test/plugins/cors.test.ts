import t from 'tap'
import { echo } from '../api.ts'
import { startApp, urlOf } from '../helper.ts'

const origin = 'https://shop.example'
const env = { CORS_ORIGINS: `http://localhost:5173, ${origin.toUpperCase()}:443`, API_TOKENS: 'secret' }
const authorization = 'Bearer secret'
const preflight = (url: string, from = origin) =>
  ({
    method: 'OPTIONS',
    url,
    headers: {
      origin: from,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,idempotency-key'
    }
  }) as const

t.test('without CORS_ORIGINS no page of another origin is let in', async (t) => {
  const app = await startApp(t)

  const asked = await app.inject(preflight('/api/tasks'))
  const answered = await app.inject({ url: '/api/tasks', headers: { origin } })

  t.match(asked.json(), { statusCode: 404, code: 'ROUTE_NOT_FOUND' })
  for (const { headers } of [asked, answered]) t.notOk('access-control-allow-origin' in headers)
})

t.test('a preflight needs no token and says what may be sent', async (t) => {
  const app = await startApp(t, { env })

  const { statusCode, headers } = await app.inject(preflight('/api/tasks'))

  t.equal(statusCode, 204)
  t.equal(headers['access-control-allow-origin'], origin)
  t.equal(headers['access-control-allow-methods'], 'GET, HEAD, POST, DELETE')
  t.equal(
    headers['access-control-allow-headers'],
    'Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-Id, traceparent'
  )
  t.match(headers.vary, /Origin/i)
})

t.test('answers, errors and streams under /api may be read by the pages that are named', async (t) => {
  const app = await startApp(t, { env, types: [echo] })
  const payload = { type: 'echo', input: 1 }
  const headers = { origin, authorization }
  const started = await app.inject({ method: 'POST', url: '/api/tasks', headers, payload })
  const { streamUrl } = started.json()
  const answers = [
    started,
    await app.inject({ url: '/api/tasks', headers: { origin } }),
    await app.inject({ url: '/api/nowhere', headers }),
    await app.inject({ method: 'POST', url: '/api/tasks', headers, payload: {} }),
    await app.inject({ url: '/api/tasks', headers: { ...headers, origin: 'http://localhost:5173' } })
  ]
  const stream = await fetch(urlOf(app) + streamUrl, { headers: { origin } })

  t.same(
    answers.map(({ statusCode }) => statusCode),
    [202, 401, 404, 400, 200]
  )
  for (const answer of answers.slice(0, 4)) t.equal(answer.headers['access-control-allow-origin'], origin)
  t.equal(answers[4]?.headers['access-control-allow-origin'], 'http://localhost:5173')
  t.equal(
    started.headers['access-control-expose-headers'],
    'Location, Retry-After, Idempotent-Replayed, X-Request-Id'
  )
  t.equal(stream.headers.get('access-control-allow-origin'), origin)
  await stream.body?.cancel()
})

t.test('other pages, and what is not under /api, are not let in', async (t) => {
  const app = await startApp(t, { env: { ...env, ADMIN_TOKEN: 'operator' } })

  for (const [url, from] of [
    ['/api/tasks', 'https://evil.example'],
    ['/api/tasks', 'https://shop.example.evil.example'],
    ['/api/tasks', 'http://shop.example'],
    ['/api/tasks', 'null'],
    ['/admin/drain', origin],
    ['/metrics', origin],
    ['/healthz', origin]
  ] as const) {
    const answers = [
      await app.inject(preflight(url, from)),
      await app.inject({ url, headers: { origin: from, authorization } })
    ]
    for (const { headers } of answers)
      t.notOk('access-control-allow-origin' in headers, `${url} from ${from}`)
  }
})

t.test('* lets in every page', async (t) => {
  const app = await startApp(t, { env: { CORS_ORIGINS: '*' } })

  for (const from of [origin, 'null', 'http://anything:1'])
    t.equal(
      (await app.inject({ url: '/api/tasks', headers: { origin: from } })).headers[
        'access-control-allow-origin'
      ],
      '*'
    )
})
