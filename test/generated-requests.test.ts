import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import fc, { type Arbitrary } from 'fast-check'
import t from 'tap'
import type { Description, Operation, Schema } from '../scripts/description.ts'
import { engines } from './engines.ts'
import { startApp, urlOf } from './helper.ts'
import { chooseSeed } from './system/random.ts'
import { soak } from './system/soak.ts'

t.setTimeout(600_000)

const requests = soak ? 10_000 : 500
const seed = chooseSeed()

interface GeneratedRequest {
  method: string
  path: string
  operation: Operation
  /** By their names; those of the path, the query and the headers. */
  parameters: Record<string, unknown>
  /** Which of the tasks that are known by then, if not one that is made up. */
  task: number
  body: string | undefined
  contentType: string
  isOperator: boolean
}

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(null, -1, 1e308, '', '\u0000', '💥', [], {})
)

/** What fits a schema, mostly, and now and then something else. */
function valuesOf(schema: Schema, document: Description): Arbitrary<unknown> {
  const values = (one: Schema) => valuesOf(one, document)
  const fitting = (): Arbitrary<unknown> => {
    if (schema.$ref !== undefined)
      return values(document.components.schemas[schema.$ref.replace(/.*\//, '')] ?? {})
    if ('const' in schema) return fc.constant(schema.const)
    if (schema.enum) return fc.constantFrom(...schema.enum)
    const union = schema.anyOf ?? schema.oneOf
    if (union) return fc.oneof(...union.map(values))
    if (schema.allOf)
      return fc
        .tuple(...schema.allOf.map(values))
        .map((parts) => Object.assign({}, ...parts.filter(isObject)))
    const {
      minimum: min = 0,
      maximum: max = 1e6,
      minLength = 0,
      maxLength = 40,
      maxItems = 3
    } = schema as Limits
    switch (schema.type) {
      case 'integer':
        return fc.integer({ min, max })
      case 'number':
        return fc.double({ min, max, noNaN: true })
      case 'boolean':
        return fc.boolean()
      case 'null':
        return fc.constant(null)
      case 'string':
        // Links that lead nowhere: nobody is to be asked by a test.
        if (schema.pattern === '^https?://') return fc.constant('http://127.0.0.1:1/')
        if (schema.pattern !== undefined) return fc.stringMatching(new RegExp(schema.pattern))
        if (schema.format === 'date-time')
          return fc
            .date({
              noInvalidDate: true,
              min: new Date(2020, 0),
              max: new Date(Date.now() + 400 * 86_400_000)
            })
            .map((date) => date.toISOString())
        return fc.string({ minLength, maxLength: Math.min(maxLength, 40) })
      case 'array':
        return fc.array(values(schema.items ?? {}), {
          minLength: Number(schema.minItems ?? 0),
          maxLength: Math.min(maxItems, 3)
        })
      case 'object':
        return objectsOf(schema, values)
      default:
        return fc.jsonValue({ maxDepth: 2 })
    }
  }
  return fc.oneof({ weight: 40, arbitrary: fitting() }, { weight: 1, arbitrary: junk })
}

interface Limits {
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  maxItems?: number
}

const isObject = (value: unknown) => typeof value === 'object' && value !== null

function objectsOf(schema: Schema, values: (schema: Schema) => Arbitrary<unknown>): Arbitrary<unknown> {
  if (schema.properties === undefined) {
    const names = fc.stringMatching(new RegExp(schema.propertyNames?.pattern ?? '^[a-z]{1,9}$'))
    const others = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {}
    return fc.dictionary(names, values(others), { maxKeys: 3 })
  }
  const { properties, required = [] } = schema
  const optional = Object.keys(properties).filter((name) => !required.includes(name))
  // A few of them: some exclude each other.
  return fc.subarray(optional, { maxLength: Math.min(optional.length, 2) }).chain((chosen) => {
    const names = [...required, ...chosen]
    return fc.record(Object.fromEntries(names.map((name) => [name, values(properties[name] ?? {})])))
  })
}

function requestsOf(document: Description): Arbitrary<GeneratedRequest> {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation }))
  )
  return fc.oneof(
    ...operations.map(({ method, path, operation }) => {
      const schema = operation.requestBody?.content['application/json']?.schema
      const parameters = (operation.parameters ?? []).map(
        ({ name, schema }) => [name, valuesOf(schema, document)] as const
      )
      const bodies = schema
        ? fc.oneof(
            { weight: 20, arbitrary: valuesOf(schema, document).map((value) => JSON.stringify(value)) },
            { weight: 1, arbitrary: fc.string() }
          )
        : fc.constant(undefined)
      return fc.record<GeneratedRequest>({
        method: fc.constant(method),
        path: fc.constant(path),
        operation: fc.constant(operation),
        parameters: fc.record(Object.fromEntries(parameters), { requiredKeys: [] }),
        task: fc.nat(1000),
        body: bodies,
        contentType: fc.oneof(
          { weight: 20, arbitrary: fc.constant('application/json') },
          { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/x-www-form-urlencoded', 'json') }
        ),
        isOperator: fc.boolean()
      })
    })
  )
}

/** Where the request goes, and how. */
function toFetch(request: GeneratedRequest, taskIds: readonly string[], signal: AbortSignal) {
  const { operation, parameters, body, contentType, isOperator } = request
  const headers: Record<string, string> = body === undefined ? {} : { 'content-type': contentType }
  if (isOperator) headers.authorization = 'Bearer operator'
  const query = new URLSearchParams()
  let path = request.path
  // One in five is made up.
  const known = request.task % 5 === 0 ? undefined : taskIds[request.task % taskIds.length]
  for (const { in: place, name } of operation.parameters ?? []) {
    const value = parameters[name]
    if (place === 'path') {
      // A dot or two would be another path.
      const text = known ?? (String(value ?? '').replace(/^\.*$/, '') || 'nobody')
      path = path.replace(`{${name}}`, encodeURIComponent(text.slice(0, 200).toWellFormed()))
    } else if (value === undefined) continue
    else if (place === 'header')
      headers[name] = String(value)
        .replaceAll(/[^ -~]/g, '')
        .trim()
    // A wait would only be long.
    else if (name === 'wait' && Number(value) > 0.01) query.append(name, '0.01')
    else
      for (const one of [value].flat())
        query.append(name, typeof one === 'string' ? one : JSON.stringify(one))
  }
  return { url: `${path}?${query}`, init: { method: request.method, headers, signal, body: body ?? null } }
}

for (const { engine, skip, storeFor } of engines) {
  t.test(
    `${requests} generated requests are answered by the ${engine} engine as the description says (LASTCALL_SEED=${seed})`,
    { skip },
    async (t) => {
      const env = { ...(await storeFor(t)), ADMIN_TOKEN: 'operator', MAX_WORKERS: '1' }
      const app = await startApp(t, { env })
      const document: Description = (await app.inject('/openapi.json')).json()
      const ajv = new Ajv2020({ strict: false, validateSchema: false })
      addFormats.default(ajv)
      ajv.addSchema(document, 'api')
      const pointer = (...keys: string[]) =>
        keys.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')

      const taskIds: string[] = []
      for (const more of [{}, { delaySeconds: 3600 }, { input: { seconds: 1 } }, { labels: { a: 'b' } }]) {
        const payload = { type: 'demo', input: { seconds: 60 }, ...more }
        const started = Array.from({ length: 10 }, () =>
          app.inject({ method: 'POST', url: '/api/tasks', payload })
        )
        for (const answer of await Promise.all(started)) taskIds.push(answer.json().taskId)
      }
      const statuses = new Map<string, number>()
      const property = async (request: GeneratedRequest) => {
        const leave = new AbortController()
        const { url, init } = toFetch(request, taskIds, leave.signal)
        const response = await fetch(urlOf(app) + url, init)
        const { status } = response
        const [type = ''] = (response.headers.get('content-type') ?? '').split(';')
        const isStream = type === 'text/event-stream'
        const text = isStream ? '' : await response.text()
        leave.abort()

        const said = `${request.method} ${url} ${init.body}: ${status} ${text.slice(0, 300)}`
        if (status >= 500 && status !== 503) throw new Error(said)
        const described = request.operation.responses[status]
        if (!described) throw new Error(`not described: ${said}`)
        statuses.set(`${request.operation.operationId} ${status}`, status)
        if (status === 204 || isStream) return
        if (!described.content?.[type]) throw new Error(`${type} is not described: ${said}`)
        const media = ['paths', request.path, request.method.toLowerCase(), 'responses', String(status)]
        const $ref = `api#/${pointer(...media, 'content', type, 'schema')}`
        const fits = ajv.getSchema($ref) ?? ajv.compile({ $ref })
        const body = type === 'application/json' ? JSON.parse(text) : text
        if (!fits(body)) throw new Error(`${ajv.errorsText(fits.errors)}: ${said}`)
        if (status === 202 && typeof body.taskId === 'string' && taskIds.length < 200)
          taskIds.push(body.taskId)
        // A drain that nobody ends would turn away all that follows.
        if (request.operation.operationId === 'startDrain' && status === 202) app.shutdown.setDraining(false)
      }
      await fc.assert(fc.asyncProperty(requestsOf(document), property), {
        numRuns: requests,
        seed,
        endOnFailure: true
      })

      t.ok(taskIds.length > 50, `${taskIds.length} tasks were started`)
      const operations = new Set([...statuses.keys()].map((key) => key.split(' ')[0]))
      t.equal(
        operations.size,
        Object.values(document.paths).flatMap(Object.keys).length,
        'each operation was asked'
      )
      t.comment([...statuses.keys()].sort().join(', '))
    }
  )
}
