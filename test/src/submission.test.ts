import t from 'tap'
import { idempotencyOf, toSubmission } from '../../src/submission.ts'
import { inlineType } from '../helper.ts'

const type = inlineType({
  type: 'count',
  input: { type: 'object', properties: { n: { type: 'integer', default: 1 } }, additionalProperties: false },
  run: () => 0
})
const wanted = (task: object) => ({
  task: { type: 'count', input: {}, ...task },
  path: 'body',
  idempotencyKey: 'key'
})
const fingerprint = (task: object) => idempotencyOf(wanted(task))?.fingerprint

t.test('bodies that are equal as JSON have the same fingerprint, all others another', async (t) => {
  const body = { input: { a: 1, b: [2] } }

  t.equal(fingerprint(body), fingerprint({ input: { b: [2], a: 1 } }))
  t.equal(fingerprint({}), fingerprint({ priority: 0 }))
  for (const other of [
    { input: { a: 1, b: [3] } },
    { ...body, priority: 1 },
    { ...body, labels: { a: 'b' } }
  ])
    t.not(fingerprint(body), fingerprint(other))
})

t.test('a task without a key has no fingerprint', async (t) => {
  t.equal(idempotencyOf({ ...wanted({}), idempotencyKey: undefined }), undefined)
})

t.test('the fingerprint of a retry is that of the task that it repeats', async (t) => {
  const retry = (taskId: string) =>
    idempotencyOf({ ...wanted({}), retryOf: { taskId, once: false } })?.fingerprint

  t.equal(retry('1'), retry('1'))
  t.not(retry('1'), retry('2'))
})

t.test('defaults are filled in after the fingerprint was taken', async (t) => {
  const one = wanted({})

  t.match(toSubmission(one, type, idempotencyOf(one), {}), { input: '{"n":1}', priority: 0 })
})

t.test('an input that does not fit is refused with the path of the field', async (t) => {
  t.throws(
    () => toSubmission({ ...wanted({ input: { m: 1 } }), path: 'body/tasks/7' }, type, undefined, {}),
    {
      code: 'FST_ERR_VALIDATION',
      message: /^body\/tasks\/7\/input/
    }
  )
})

t.test('a delay is a time from now on, and both at once are refused', async (t) => {
  const before = Date.now()
  const { runAt = 0 } = toSubmission(wanted({ delaySeconds: 60 }), type, undefined, {})

  t.ok(runAt >= before + 60_000 && runAt <= Date.now() + 60_000)
  t.equal(toSubmission(wanted({ delaySeconds: 0 }), type, undefined, {}).runAt, undefined)
  const both = wanted({ delaySeconds: 1, runAt: new Date().toISOString() })
  t.throws(() => toSubmission(both, type, undefined, {}), { code: 'FST_ERR_VALIDATION' })
})

t.test('a time more than 366 days ahead is refused', async (t) => {
  const at = (days: number) => wanted({ runAt: new Date(Date.now() + days * 86_400_000).toISOString() })

  t.ok(toSubmission(at(365.9), type, undefined, {}).runAt)
  t.throws(() => toSubmission(at(366.1), type, undefined, {}), { code: 'FST_ERR_VALIDATION' })
})

t.test('text that a store would change or refuse is refused by name', async (t) => {
  const echo = inlineType({ type: 'echo', run: (input) => input })
  for (const text of ['a\0b', '\ud800', 'a\udc00b']) {
    const task = { type: 'echo', input: 1, labels: { team: text } }
    t.throws(() => toSubmission({ task, path: 'body/tasks/3' }, echo, undefined, {}), {
      code: 'FST_ERR_VALIDATION',
      message: 'body/tasks/3/labels/team must be well-formed text without NUL'
    })
    t.throws(
      () => idempotencyOf({ task: { type: 'echo', input: 1 }, path: 'body/tasks/3', idempotencyKey: text }),
      {
        code: 'FST_ERR_VALIDATION',
        message: 'body/tasks/3/idempotencyKey must be well-formed text without NUL'
      }
    )
  }
  const fine = { type: 'echo', input: '\ud800 \0', labels: { team: 'Größe 😀' } }
  t.doesNotThrow(() => toSubmission({ task: fine, path: 'body', idempotencyKey: '😀' }, echo, undefined, {}))
})
