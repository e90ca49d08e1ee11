/** Which form a JSON Schema makes, and what is sent of what was filled in. */

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {'file' | 'enum' | 'flag' | 'number' | 'text' | 'list' | 'json'} kind
 * @property {any} schema
 * @property {boolean} required
 * @property {string} [bytesName] the field that takes the same file as bytes in base64, where its text cannot be sent
 */

/** A file that was chosen. @typedef {{ name: string, size: number, text?: string, base64?: string }} Chosen */

/** What is wrong with what is in a field. */
export class FieldError extends Error {
  /** @param {string} field @param {string} message */
  constructor(field, message) {
    super(message)
    this.field = field
  }
}

/** The name of the field that stands for the whole input, where that is no object with known fields. */
export const wholeInput = ''

/** @param {any} schema @returns {Field[]} */
export function fieldsOf(schema) {
  const properties = schema?.properties
  if (!properties) return [{ name: wholeInput, kind: 'json', schema, required: true }]
  const required = new Set(schema.required ?? [])
  const names = Object.keys(properties)
  const isBytes = (/** @type {string} */ name) => properties[name]?.contentEncoding === 'base64'
  // A file is chosen once: whether it goes as text or as bytes is not the reader's to decide.
  const bytesOf = (/** @type {string} */ name) =>
    names.find((other) => other === `${name}Base64` && isBytes(other))
  const taken = new Set(names.flatMap((name) => bytesOf(name) ?? []))
  return names
    .filter((name) => !taken.has(name))
    .map((name) => {
      const bytesName = bytesOf(name)
      const field = { name, kind: kindOf(properties[name]), schema: properties[name] }
      const needs = required.has(name) || (bytesName !== undefined && requiresOneOf(schema, name))
      return { ...field, required: needs, ...(bytesName !== undefined && { bytesName }) }
    })
}

/** @param {any} schema @param {string} name */
const requiresOneOf = (schema, name) =>
  [schema.then, schema.else, ...(schema.oneOf ?? []), ...(schema.anyOf ?? [])].some((branch) =>
    branch?.required?.includes(name)
  )

/** @param {any} schema @returns {Field['kind']} */
function kindOf(schema) {
  const { type, items, contentMediaType, contentEncoding } = schema ?? {}
  if (schema?.enum) return 'enum'
  if (type === 'string' && (contentMediaType || contentEncoding)) return 'file'
  if (type === 'string') return 'text'
  if (type === 'number' || type === 'integer') return 'number'
  if (type === 'boolean') return 'flag'
  if (type === 'array' && ['string', 'number', 'integer'].includes(items?.type)) return 'list'
  return 'json'
}

/**
 * The input that a form gives. What is left empty is left out: the service knows its defaults.
 * @param {Field[]} fields
 * @param {(name: string) => string} textOf what is in a field
 * @param {ReadonlyMap<string, Chosen>} files
 * @throws {FieldError}
 */
export function inputOf(fields, textOf, files) {
  /** @type {Record<string, unknown>} */
  const input = {}
  for (const field of fields) {
    const { name, bytesName } = field
    const file = files.get(name)
    if (name === wholeInput) return parseJson(name, textOf(name))
    if (file?.base64 !== undefined) input[bytesName ?? name] = file.base64
    else if (file?.text !== undefined) input[name] = file.text
    else {
      const value = sentValue(field, textOf(name))
      if (value !== undefined) input[name] = value
    }
  }
  return input
}

/** @param {Field} field @param {string} text */
function sentValue({ name, kind, schema }, text) {
  const isEmpty = text.trim() === ''
  switch (kind) {
    case 'flag':
      return text === 'on' ? true : schema.default === true ? false : undefined
    case 'enum':
      return isEmpty ? undefined : schema.enum[Number(text)]
    case 'number':
      return isEmpty ? undefined : Number(text)
    case 'json':
      return isEmpty ? undefined : parseJson(name, text)
    case 'list': {
      const lines = text
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean)
      if (lines.length === 0) return
      return schema.items.type === 'string' ? lines : lines.map(Number)
    }
    default:
      return text === '' ? undefined : text
  }
}

/** @param {string} name @param {string} text */
function parseJson(name, text) {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new FieldError(name, `This is not JSON: ${error instanceof Error ? error.message : error}`)
  }
}

/**
 * Reads a file as text if it is some in UTF-8, else as bytes if the field takes those.
 * @param {File} file
 * @param {Field} field
 * @returns {Promise<Chosen>}
 * @throws {FieldError}
 */
export async function readFile(file, { name, schema, bytesName }) {
  const bytes = new Uint8Array(await file.arrayBuffer())
  const about = { name: file.name, size: file.size }
  if (schema.contentEncoding === 'base64') return { ...about, base64: toBase64(bytes) }
  try {
    return { ...about, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) }
  } catch {
    if (bytesName === undefined) throw new FieldError(name, `${file.name} is not text in UTF-8`)
    return { ...about, base64: toBase64(bytes) }
  }
}

/** @param {Uint8Array} bytes */
function toBase64(bytes) {
  let text = ''
  // In pieces: a call has only so many arguments.
  for (let start = 0; start < bytes.length; start += 0x8000)
    text += String.fromCharCode(...bytes.subarray(start, start + 0x8000))
  return btoa(text)
}

/**
 * What the service says of each field; under undefined what is of none.
 * @param {string} message such as `body/input/boards must be >= 1; body/priority must be <= 10`
 * @param {Field[]} fields
 */
export function problemsByField(message, fields) {
  /** @type {Map<string | undefined, string>} */
  const problems = new Map()
  for (const problem of message.split('; ')) {
    const [, path = '', rest = problem] = /^body\/?(\S*) ([\s\S]*)$/.exec(problem) ?? []
    const missing = /required property '([^']+)'/.exec(rest)?.[1]
    const parts = [...path.split('/').filter(Boolean), ...(missing === undefined ? [] : [missing])]
    const [first, second] = parts
    const name = first === 'input' ? (second ?? wholeInput) : first
    const field = fields.find((one) => one.name === name || one.bytesName === name)
    const where = field ? field.name : first !== 'input' ? first : undefined
    const text =
      missing === undefined
        ? `${parts
            .slice(2)
            .map((part) => `${part}: `)
            .join('')}${rest}`
        : 'is needed'
    problems.set(
      where,
      [problems.get(where), where === undefined ? problem : text].filter(Boolean).join('; ')
    )
  }
  return problems
}
