/** Turns the described routes into a document that clients can be generated from. */
import type { TaskTypeInfo } from '../src/task.ts'
import { examples } from './openapi-examples.ts'

type Json = Record<string, unknown>
interface Operation extends Json {
  operationId: string
  tags?: string[]
  security?: object[]
  requestBody?: { content: Record<string, Json> }
  responses: Record<string, { description?: string; headers?: object; content?: Record<string, Json> }>
}
export interface Document {
  paths: Record<string, Record<string, Operation>>
  components?: { schemas?: Json; headers?: Json; [part: string]: unknown }
}

const header = (description: string) => ({ description, schema: { type: 'string' } })
const headers = {
  RequestId: header('That of the request, or one that was made for it.'),
  RetryAfter: { description: 'Seconds.', schema: { type: 'integer' } },
  Location: header('`statusUrl`.'),
  IdempotentReplayed: header('`true` if the key was used for this task before.'),
  Authenticate: header('`Bearer`')
}
const headerRef = (name: keyof typeof headers) => ({ $ref: `#/components/headers/${name}` })
const schemaRef = (name: string) => ({ $ref: `#/components/schemas/${name}` })

/** Finishes the document: named schemas, the task types of this process, headers, security and examples. */
export function finishDocument(document: Document, types: readonly TaskTypeInfo[]): Document {
  const schemas: Json = {}
  const paths = hoist(document.paths, schemas) as Document['paths']
  describeTypes(schemas, types)
  for (const [path, operations] of Object.entries(paths))
    for (const operation of Object.values(operations)) finishOperation(path, operation)
  return { ...document, paths, components: { ...document.components, headers, schemas: sorted(schemas) } }
}

const sorted = (map: Json): Json =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)))

/** Moves each schema with a title to the components, and puts a reference in its place. */
function hoist(node: unknown, schemas: Json): unknown {
  if (Array.isArray(node)) return node.map((child) => hoist(child, schemas))
  if (typeof node !== 'object' || node === null) return node
  const copy: Json = {}
  for (const [key, value] of Object.entries(node))
    copy[key] = key === 'examples' ? value : hoist(value, schemas)
  // Fields with a default are optional in requests.
  const hasDefault = (schema: unknown) => typeof schema === 'object' && schema !== null && 'default' in schema
  if (Array.isArray(copy.required) && typeof copy.properties === 'object') {
    const properties = copy.properties as Json
    copy.required = copy.required.filter((name) => !hasDefault(properties[name]))
    if ((copy.required as string[]).length === 0) delete copy.required
  }
  if (copy.in === 'query' && hasDefault(copy.schema)) copy.required = false
  const { title } = copy
  const isSchema = 'type' in copy || 'anyOf' in copy || 'oneOf' in copy
  if (typeof title !== 'string' || !isSchema) return copy
  delete copy.title
  schemas[title] = copy
  return schemaRef(title)
}

const pascal = (type: string) =>
  type.replaceAll(/(?:^|[-_.])(\w)/g, (_, letter: string) => letter.toUpperCase())

/** Describes new tasks as one of the types that this process knows, each with its own input and result. */
function describeTypes(schemas: Json, types: readonly TaskTypeInfo[]): void {
  const { NewTask, NewTasks, TaskRecord } = schemas as Record<string, { properties: Record<string, Json> }>
  const variants: string[] = []
  const outputs: string[] = []
  for (const { type, description, inputSchema, outputSchema } of types) {
    const name = pascal(type)
    schemas[`${name}Input`] = relocated(inputSchema, `${name}Input`)
    if (outputSchema) {
      schemas[`${name}Output`] = relocated(outputSchema, `${name}Output`)
      outputs.push(`${name}Output`)
    }
    schemas[`New${name}`] = {
      ...NewTask,
      description,
      properties: {
        ...NewTask?.properties,
        type: { const: type, type: 'string' },
        input: schemaRef(`${name}Input`)
      }
    }
    variants.push(`New${name}`)
  }
  const mapping = Object.fromEntries(types.map(({ type }) => [type, schemaRef(`New${pascal(type)}`).$ref]))
  schemas.NewTask = { oneOf: variants.map(schemaRef), discriminator: { propertyName: 'type', mapping } }
  const tasks = NewTasks?.properties.tasks as Json | undefined
  if (tasks) {
    const key = (tasks.items as { properties: Json }).properties.idempotencyKey
    tasks.items = { allOf: [schemaRef('NewTask'), { type: 'object', properties: { idempotencyKey: key } }] }
    // Otherwise a variant would refuse the sibling key.
    for (const name of variants) delete (schemas[name] as Json).additionalProperties
  }
  if (TaskRecord && outputs.length > 0) {
    TaskRecord.properties.result = {
      description: 'What the task returned.',
      anyOf: [...outputs.map(schemaRef), { description: 'Of types that do not describe it.' }]
    }
  }
}

/** Rewrites a schema's references to its own parts for its new place. */
function relocated(schema: unknown, name: string): unknown {
  const text = JSON.stringify(hoist(schema, {}), (key, value) => {
    if (key === '$schema' || key === '$id') return undefined
    const isLocal = key === '$ref' && typeof value === 'string' && value.startsWith('#')
    return isLocal ? value.replace('#', schemaRef(name).$ref) : value
  })
  return JSON.parse(text)
}

function finishOperation(path: string, operation: Operation): void {
  if (path.startsWith('/api/')) {
    const isForTickets = ['getTask', 'followTask'].includes(operation.operationId)
    operation.security = [{ apiToken: [] }, ...(isForTickets ? [{ ticket: [] }] : []), {}]
  } else operation.security ??= []
  const json = operation.requestBody?.content['application/json']
  const examplesOfIt = examples[operation.operationId]
  if (json && examplesOfIt) {
    json.examples = Object.fromEntries(Object.entries(examplesOfIt).map(([name, value]) => [name, { value }]))
  }
  for (const [status, response] of Object.entries(operation.responses)) {
    response.headers = {
      'X-Request-Id': headerRef('RequestId'),
      ...(['429', '503'].includes(status) &&
        path.startsWith('/api/') && { 'Retry-After': headerRef('RetryAfter') }),
      ...(status === '401' && { 'WWW-Authenticate': headerRef('Authenticate') }),
      ...(status === '202' &&
        /^(startTask|retryTask)$/.test(operation.operationId) && { Location: headerRef('Location') }),
      ...(status === '202' &&
        /^(startTasks?|retryTask)$/.test(operation.operationId) && {
          'Idempotent-Replayed': headerRef('IdempotentReplayed')
        })
    }
    // An answer without a body.
    if (status === '204') delete response.content
  }
}
