import createError from '@fastify/error'
import { Ajv, type Options } from 'ajv'
import addFormats from 'ajv-formats'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { describeProblems, onFirstUse } from '../src/validation.ts'

const maxDepth = 64

const InputTooDeep = createError('INPUT_TOO_DEEP', `Bodies may be at most ${maxDepth} levels deep`, 400)

/** Bodies are JSON and taken literally; what comes as text in a URL is turned into its type. */
async function validationPlugin(app: FastifyInstance) {
  const body = makeAjv({ useDefaults: true })
  // Not strict about numbers: else Ajv lets Infinity pass every minimum and maximum.
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
    // Many clients name the type of a body that they do not send, to cancel a task for example.
    if (body === '') done(null, undefined)
    else parseJson(request, body, done)
  })
  app.addHook('preValidation', (request, _reply, done) => {
    done(depthExceeds(request.body, maxDepth) ? new InputTooDeep() : undefined)
  })
}

function makeAjv(options: Options): Ajv {
  // The schemas are our own: checking them against their meta-schema would cost more than all else about them.
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
