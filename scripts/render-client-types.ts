/** The client's types, from the API's description. */
import type { Description, Schema } from './description.ts'

/** One type for each named schema, and one for each query. */
export function renderClientTypes({ paths, components }: Description): string {
  const types = Object.entries(components.schemas)
  for (const { operationId, parameters = [] } of Object.values(paths).flatMap((path) =>
    Object.values(path)
  )) {
    const query = parameters.filter((parameter) => parameter.in === 'query')
    if (query.length === 0) continue
    const properties = Object.fromEntries(
      query.map(({ name, description, schema }) => [name, description ? { ...schema, description } : schema])
    )
    const name = `${operationId[0]?.toUpperCase()}${operationId.slice(1)}Query`
    types.push([name, { type: 'object', properties, additionalProperties: false }])
  }
  const declarations = types.map(([name, schema]) => {
    const type = typeOf(schema, '')
    const head = schema.properties ? `interface ${name} ` : `type ${name} = `
    return `${comment(schema, '')}export ${head}${type}\n`
  })
  return ['// Rendered from openapi.json by npm run docs.\n', ...declarations].join('\n')
}

function typeOf(schema: Schema, indent: string): string {
  if (schema.$ref !== undefined) return schema.$ref.replace(/.*\//, '')
  if ('const' in schema) return literal(schema.const)
  if (schema.enum) return schema.enum.map(literal).join(' | ')
  const union = schema.anyOf ?? schema.oneOf
  if (union) return union.map((one) => typeOf(one, indent)).join(' | ')
  if (schema.allOf) return schema.allOf.map((one) => grouped(one, indent)).join(' & ')
  switch (schema.type) {
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type
    case 'number':
    case 'integer':
      return 'number'
    case 'array':
      return `${grouped(schema.items ?? {}, indent)}[]`
    case 'object':
      return objectOf(schema, indent)
    default:
      return 'unknown'
  }
}

const grouped = (schema: Schema, indent: string) => {
  const text = typeOf(schema, indent)
  return /^\w+$|^\{.*\}$/s.test(text) ? text : `(${text})`
}

function objectOf({ properties, required = [], additionalProperties }: Schema, indent: string): string {
  if (properties === undefined) {
    const values = typeof additionalProperties === 'object' ? typeOf(additionalProperties, indent) : 'unknown'
    return `Record<string, ${values}>`
  }
  const inner = `${indent}  `
  const lines = Object.entries(properties).map(([name, schema]) => {
    const mark = required.includes(name) ? '' : '?'
    return `${comment(schema, inner)}${inner}${name}${mark}: ${typeOf(schema, inner)}\n`
  })
  return `{\n${lines.join('')}${indent}}`
}

const literal = (value: unknown) => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value))

const comment = ({ description }: Schema, indent: string) =>
  description === undefined ? '' : `${indent}/** ${description.replaceAll('*/', '*\\/')} */\n`
