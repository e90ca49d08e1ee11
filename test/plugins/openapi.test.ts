import { readFileSync } from 'node:fs'
import t from 'tap'
import { startApp } from '../helper.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

t.test('the description is OpenAPI 3.1 and has every route', async (t) => {
  const app = await startApp(t)

  const response = await app.inject('/openapi.json')

  t.equal(response.statusCode, 200)
  t.match(response.headers['content-type'], /^application\/json\b/)
  const { openapi, info, paths } = response.json()
  t.match(openapi, /^3\.1\./)
  t.match(info, { title: 'lastcall', version })
  const routes = Object.entries<object>(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
  )
  for (const route of [
    'POST /api/tasks',
    'GET /api/tasks',
    'GET /api/tasks/{taskId}',
    'DELETE /api/tasks/{taskId}',
    'GET /api/tasks/{taskId}/stream',
    'POST /api/tasks/{taskId}/cancel',
    'GET /api/task-types',
    'GET /healthz',
    'GET /readyz'
  ])
    t.ok(routes.includes(route), route)
})

t.test('every route says what it is for, and the answers that it may give', async (t) => {
  const app = await startApp(t)

  const { paths } = (await app.inject('/openapi.json')).json()

  interface Operation {
    summary?: string
    tags?: string[]
    responses?: object
  }
  for (const [path, methods] of Object.entries<Record<string, Operation>>(paths)) {
    for (const [method, { summary, tags, responses }] of Object.entries(methods)) {
      t.ok(summary, `${method} ${path} has a summary`)
      t.ok(tags?.length, `${method} ${path} has a tag`)
      t.ok(responses && Object.keys(responses).length > 0, `${method} ${path} has answers`)
    }
  }
  t.strictSame(Object.keys(paths['/api/tasks'].post.responses).sort(), [
    '202',
    '400',
    '413',
    '415',
    '422',
    '429',
    '503'
  ])
})

t.test('every reference in the description leads somewhere', async (t) => {
  const app = await startApp(t)
  const description = (await app.inject('/openapi.json')).json()

  const references: string[] = []
  JSON.stringify(description, (key, value) => {
    if (key === '$ref') references.push(value)
    return value
  })

  for (const reference of references) {
    const target = reference
      .replace(/^#\//, '')
      .split('/')
      .reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], description)
    t.ok(target, reference)
  }
})

t.test('there is a page to read it', async (t) => {
  const app = await startApp(t)

  const page = await app.inject('/docs')
  const withSlash = await app.inject('/docs/')

  for (const response of [page, withSlash]) {
    t.equal(response.statusCode, 200)
    t.match(response.headers['content-type'], /^text\/html\b/)
  }
  const assets = [...page.body.matchAll(/(?:src|href)="(\/docs\/static\/[^"]+)"/g)].map(([, url]) =>
    String(url)
  )
  t.ok(assets.length > 0)
  for (const url of assets) t.equal((await app.inject(url)).statusCode, 200, url)
})
