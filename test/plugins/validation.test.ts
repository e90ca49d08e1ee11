import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { readSettings } from '../../src/config.ts'

/** The app with one more route, which answers with what it was given after validation. */
async function echoingApp(t: Test) {
  const app = await buildApp({ settings: readSettings({ TASK_STORE_URL: 'sqlite::memory:' }) })
  const schema = {
    body: Type.Object(
      {
        count: Type.Integer({ default: 7 }),
        flag: Type.Optional(Type.Boolean()),
        when: Type.Optional(Type.String({ format: 'date-time' })),
        list: Type.Optional(Type.Array(Type.String()))
      },
      { additionalProperties: false }
    ),
    querystring: Type.Object({
      limit: Type.Integer({ default: 5, maximum: 10 }),
      flag: Type.Optional(Type.Boolean())
    })
  }
  app.post('/echo', { schema }, async ({ body, query }) => ({ body, query }))
  t.teardown(() => app.close())
  const post = (payload: object, query = '') => app.inject({ method: 'POST', url: `/echo${query}`, payload })
  return { app, post }
}

t.test('bodies are taken literally', async (t) => {
  const { post } = await echoingApp(t)

  for (const body of [
    { count: '1' },
    { count: 1.5 },
    { count: true },
    { count: null },
    { count: [1] },
    { count: 1, flag: 'true' },
    { count: 1, flag: 0 },
    { count: 1, list: 'a' },
    { count: 1, list: [1] },
    { count: 1, when: 'yesterday' },
    { count: 1, unknown: 1 }
  ]) {
    const response = await post(body)
    t.equal(response.statusCode, 400, JSON.stringify(body))
    t.equal(response.json().code, 'FST_ERR_VALIDATION')
    t.match(response.json().message, new RegExp(`body/${Object.keys(body).at(-1)}\\b`))
  }
})

t.test('defaults are filled in', async (t) => {
  const { post } = await echoingApp(t)

  t.same((await post({})).json(), { body: { count: 7 }, query: { limit: 5 } })
})

t.test('what comes as text in a query is turned into its type', async (t) => {
  const { post } = await echoingApp(t)

  const good = await post({}, '?limit=3&flag=true')
  const bad = await post({}, '?limit=three')
  const beyond = await post({}, '?limit=11')

  t.same(good.json().query, { limit: 3, flag: true })
  t.match(bad.json(), { statusCode: 400, code: 'FST_ERR_VALIDATION', message: /querystring\/limit/ })
  t.match(beyond.json(), { statusCode: 400, code: 'FST_ERR_VALIDATION', message: /querystring\/limit/ })
})

t.test('a body of 64 levels is read, one of 65 is refused before its schema is looked at', async (t) => {
  const { app } = await echoingApp(t)
  const send = (payload: string) =>
    app.inject({ method: 'POST', url: '/echo', payload, headers: { 'content-type': 'application/json' } })
  const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

  const allowed = await send(deep(64))
  const refused = await send(deep(65))
  const inAWideObject = await send(`{"a":1,"b":[1,2,{"c":${deep(63)}}]}`)

  t.match(allowed.json(), { statusCode: 400, code: 'FST_ERR_VALIDATION' })
  t.match(refused.json(), { statusCode: 400, code: 'INPUT_TOO_DEEP', message: /64 levels/ })
  t.match(inAWideObject.json(), { statusCode: 400, code: 'INPUT_TOO_DEEP' })
})

t.test('text bodies are not read', async (t) => {
  const { app } = await echoingApp(t)

  const response = await app.inject({
    method: 'POST',
    url: '/echo',
    payload: '{"count":1}',
    headers: { 'content-type': 'text/plain' }
  })

  t.equal(response.statusCode, 415)
})
