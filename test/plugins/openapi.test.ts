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
    operationId?: string
    summary?: string
    tags?: string[]
    responses?: object
  }
  const ids = new Set<string>()
  for (const [path, methods] of Object.entries<Record<string, Operation>>(paths)) {
    for (const [method, { operationId, summary, tags, responses }] of Object.entries(methods)) {
      t.match(operationId, /^[a-z][A-Za-z]+$/, `${method} ${path} has a name`)
      t.notOk(ids.has(operationId ?? ''), `${operationId} is a name of its own`)
      ids.add(operationId ?? '')
      t.ok(summary, `${method} ${path} has a summary`)
      t.ok(tags?.length, `${method} ${path} has a tag`)
      t.ok(responses && Object.keys(responses).length > 0, `${method} ${path} has answers`)
    }
  }
  t.strictSame(Object.keys(paths['/api/tasks'].post.responses).sort(), [
    '202',
    '400',
    '401',
    '413',
    '415',
    '422',
    '429',
    '500',
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

t.test('a new task is one of the types that the process knows, with its own input', async (t) => {
  const app = await startApp(t)
  const { components } = (await app.inject('/openapi.json')).json()
  const { schemas } = components

  const variants = Object.values<string>(schemas.NewTask.discriminator.mapping)
  t.equal(schemas.NewTask.oneOf.length, variants.length)
  for (const [type, reference] of Object.entries<string>(schemas.NewTask.discriminator.mapping)) {
    const { properties } = schemas[reference.split('/').at(-1) ?? '']
    t.equal(properties.type.const, type)
    const input = schemas[properties.input.$ref.split('/').at(-1)]
    const known = app.tasks.taskTypes().find((one) => one.type === type)
    t.same(
      Object.keys(input.properties),
      Object.keys((known?.inputSchema as { properties?: object } | undefined)?.properties ?? {})
    )
  }
  t.ok(schemas.DemoOutput)
})

t.test('the streams say what their events are', async (t) => {
  const app = await startApp(t)
  const { paths, components } = (await app.inject('/openapi.json')).json()

  for (const [path, name, count] of [
    ['/api/tasks/{taskId}/stream', 'TaskEvent', 6],
    ['/api/events', 'TaskChange', 7]
  ] as const) {
    const { schema } = paths[path].get.responses[200].content['text/event-stream']
    t.same(schema, { $ref: `#/components/schemas/${name}` })
    t.equal(components.schemas[name].anyOf.length, count)
  }
})

t.test('every example of a body is taken as it is', async (t) => {
  const app = await startApp(t, { env: { ADMIN_TOKEN: 'operator' } })
  const { paths } = (await app.inject('/openapi.json')).json()
  let sent = 0

  for (const [url, methods] of Object.entries<Record<string, Described>>(paths)) {
    const { operationId = '', requestBody } = methods.post ?? {}
    const examples = requestBody?.content['application/json']?.examples ?? {}
    for (const [name, { value }] of Object.entries(examples)) {
      // The last to be sent, because it turns all others away.
      if (operationId === 'startDrain') continue
      const response = await app.inject({ method: 'POST', url, payload: value as object })
      t.ok([200, 202].includes(response.statusCode), `${operationId} ${name}: ${response.body}`)
      sent++
    }
  }
  t.ok(sent >= 8, `${sent} examples`)
})

interface Described {
  operationId?: string
  requestBody?: { content: Record<string, { examples?: Record<string, { value: unknown }> }> }
}
