/** The parts of the API's description (OpenAPI 3.1) that are read here. */

export interface Schema {
  $ref?: string
  const?: unknown
  enum?: unknown[]
  type?: string
  description?: string
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  propertyNames?: { pattern: string }
  additionalProperties?: boolean | Schema
  pattern?: string
  format?: string
  [limit: string]: unknown
}

export interface Operation {
  operationId: string
  summary: string
  tags: string[]
  parameters?: { in: string; name: string; description?: string; schema: Schema }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { content?: Record<string, object> }>
}

export interface Description {
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}
