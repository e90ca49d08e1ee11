import createError from '@fastify/error'
import { Ajv, type Options } from 'ajv'
import addFormats from 'ajv-formats'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { describeProblems, onFirstUse } from '../src/validation.ts'

const maxDepth = 64

const InputTooDeep = createError('INPUT_TOO_DEEP', `Bodies may be at most ${maxDepth} levels deep`, 400)

/** Bodies are JSON, and their types are not coerced. Values in a URL are text, and are coerced. */
async function validationPlugin(app: FastifyInstance) {
  const body = makeAjv({ useDefaults: true })
  // Not strict about numbers: otherwise Ajv lets Infinity pass every minimum and maximum.
  const text = makeAjv({ useDefaults: true, coerceTypes: 'array', strictNumbers: false })
  app.setValidatorCompiler(({ schema, httpPart }) => {
    const validator = onFirstUse(() => (httpPart === 'body' ? body : text).compile(schema))
    return (data) => {
      const validate = validator()
      return validate(data) ? true : { error: validate.errors ?? [] }
    }
  })
  app.setSchemaErrorFormatter((errors, part) => new Error(describeProblems(errors, part)))

  app.removeContentTypeParser(['text/plain', 'application/json'])
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Many clients send a Content-Type without a body, for example to cancel a task.
    if (body === '') done(null, undefined)
    else parseJson(request, body, done)
  })
  app.addHook('preValidation', (request, _reply, done) => {
    done(depthExceeds(request.body, maxDepth) ? new InputTooDeep() : undefined)
  })
}

function makeAjv(options: Options): Ajv {
  // The schemas are our own. Checking them against the meta-schema would cost more than compiling them.
  const ajv = new Ajv({ ...options, strict: true, strictTypes: false, meta: false, validateSchema: false })
  addFormats.default(ajv)
  return ajv
}

function depthExceeds(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  for (const child of Object.values(value)) if (depthExceeds(child, levels - 1)) return true
  return false
}

export default fp(validationPlugin, { name: 'validation', fastify: '5.x' })
