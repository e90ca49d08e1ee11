import { Ajv } from 'ajv'
import t from 'tap'
import { describeProblems } from '../../src/validation.ts'

/** What is said about a value that does not fit a schema. */
function describe(schema: object, value: unknown, allErrors = false): string {
  const validate = new Ajv({ allErrors }).compile(schema)
  validate(value)
  return describeProblems(validate.errors, 'body')
}

t.test('a problem is told with the field that it is about', async (t) => {
  const schema = {
    type: 'object',
    properties: { a: { type: 'object', properties: { b: { type: 'array', items: { type: 'integer' } } } } }
  }

  t.match(describe(schema, 5), /^body must be object$/)
  t.match(describe(schema, { a: 1 }), /^body\/a must be object$/)
  t.match(describe(schema, { a: { b: [1, 'x'] } }), /^body\/a\/b\/1 must be integer$/)
})

t.test('a missing field is named', async (t) => {
  t.match(describe({ type: 'object', required: ['count'] }, {}), /body.*count/)
})

t.test('a field that is not known is named', async (t) => {
  const schema = { type: 'object', properties: { a: {} }, additionalProperties: false }
  const nested = { type: 'object', properties: { a: schema } }

  t.equal(describe(schema, { colour: 1 }), 'body/colour is not known')
  t.equal(describe(nested, { a: { colour: 1 } }), 'body/a/colour is not known')
})

t.test('the values that are allowed are listed', async (t) => {
  const schema = { type: 'object', properties: { size: { enum: ['S', 'M', 'L'] } } }

  t.match(describe(schema, { size: 'XL' }), /^body\/size .*: S, M, L$/)
})

t.test('several problems are told in one message', async (t) => {
  const schema = { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string' } } }

  t.equal(describe(schema, { a: 1, b: 2 }, true), 'body/a must be string; body/b must be string')
})

t.test('without a problem there is nothing to say', async (t) => {
  t.equal(describeProblems([], 'body'), '')
  t.equal(describeProblems(null, 'body'), '')
  t.equal(describeProblems(undefined, 'body'), '')
  t.equal(describeProblems([{ keyword: 'x', instancePath: '/x' }], 'body'), 'body/x is not valid')
})
