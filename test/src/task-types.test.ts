import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { readSettings } from '../../src/config.ts'
import type { TaskType } from '../../src/task-type.ts'
import { checkTaskType, loadTaskTypes } from '../../src/task-types.ts'
import { quietLog, spawnServer } from '../helper.ts'

/** The text of a module that exports a task type. */
const moduleOf = (fields: string) =>
  `export default { type: 'waiter', description: 'Waits.', input: { type: 'object' }, run () {}, ${fields} }`

const check = (fields: object) =>
  checkTaskType(
    { type: 'waiter', description: 'Waits.', input: {}, run: () => {}, ...fields } as TaskType,
    'file:///types/waiter.js',
    60_000
  )

t.test('the built-in types are always there', async (t) => {
  const types = await loadTaskTypes(readSettings({ TASK_TIMEOUT: '60' }), quietLog)

  t.match(types.get('bom-coverage'), {
    type: 'bom-coverage',
    description: /./,
    isolation: 'process',
    timeoutMs: 60_000,
    inputSchema: { type: 'object' }
  })
})

t.test('a folder adds its types, which are plain objects with plain JSON Schema', async (t) => {
  const dir = t.testdir({
    'waiter.mjs': moduleOf(''),
    'eager.js': `export default { type: 'eager', description: 'Runs.', input: {}, isolation: 'inline', run: () => 1 }`,
    'notes.txt': 'not a module',
    'types.json': '{}',
    'types.d.ts': 'export {}',
    '.hidden.swp': '',
    sub: { 'deeper.mjs': 'throw new Error("not read")' }
  })

  const types = await loadTaskTypes(readSettings({ TASKS_DIR: dir, TASK_TIMEOUT: '60' }), quietLog)

  t.ok(types.has('bom-coverage'))
  t.match(types.get('waiter'), { isolation: 'process', module: pathToFileURL(join(dir, 'waiter.mjs')).href })
  t.match(types.get('eager'), { isolation: 'inline' })
  t.same([...types.keys()].filter((type) => /waiter|eager|deeper/.test(type)).sort(), ['eager', 'waiter'])
})

t.test('policies that are left out have their defaults', async (t) => {
  t.match(check({}), {
    type: 'waiter',
    description: 'Waits.',
    inputSchema: {},
    isolation: 'process',
    onShutdown: 'cancel',
    onLost: 'fail',
    timeoutMs: 60_000,
    attempts: 1,
    backoffMs: 0,
    maxRequeues: 20
  })
})

t.test('policies that are given are kept, seconds as milliseconds', async (t) => {
  const given = {
    isolation: 'inline',
    onShutdown: 'requeue',
    onLost: 'requeue',
    timeoutSeconds: 0.5,
    attempts: 3,
    backoffSeconds: 1.5,
    maxRequeues: 0
  }

  t.match(check(given), {
    isolation: 'inline',
    onShutdown: 'requeue',
    onLost: 'requeue',
    timeoutMs: 500,
    attempts: 3,
    backoffMs: 1500,
    maxRequeues: 0
  })
})

t.test('run may be a method that uses its object', async (t) => {
  const type = check({
    run(this: { description: string }) {
      return this.description
    }
  })

  const result = await type.run({}, undefined as never)

  t.equal(result, 'Waits.')
})

t.test('what does not look like a task type is refused by the name of its file', async (t) => {
  const wrong: [object, RegExp][] = [
    [{ type: undefined }, /type/],
    [{ type: '' }, /type/],
    [{ type: 'Upper Case' }, /type/],
    [{ type: '-dash' }, /type/],
    [{ type: 'x'.repeat(101) }, /type/],
    [{ type: 5 }, /type/],
    [{ description: undefined }, /description/],
    [{ input: undefined }, /input/],
    [{ input: 'string' }, /input/],
    [{ run: undefined }, /run/],
    [{ run: 'code' }, /run/],
    [{ isolation: 'fork' }, /isolation.*process, thread, inline/],
    [{ onShutdown: 'retry' }, /onShutdown.*cancel, requeue/],
    [{ onLost: 'cancel' }, /onLost.*fail, requeue/],
    [{ timeoutSeconds: -1 }, /timeoutSeconds/],
    [{ timeoutSeconds: '5' }, /timeoutSeconds/],
    [{ timeoutSeconds: Number.POSITIVE_INFINITY }, /timeoutSeconds/],
    [{ attempts: 0 }, /attempts/],
    [{ attempts: 1.5 }, /attempts/],
    [{ backoffSeconds: -1 }, /backoffSeconds/],
    [{ maxRequeues: -1 }, /maxRequeues/],
    [{ timeoutSecond: 5 }, /timeoutSecond is not known/]
  ]

  for (const [fields, message] of wrong) {
    const expected = { name: 'StartError', message: new RegExp(`waiter\\.js.*${message.source}`, 's') }
    t.throws(() => check(fields), expected, JSON.stringify(fields).slice(0, 80))
  }
  for (const nothing of [undefined, null, 5, 'text', () => {}, []]) {
    t.throws(() => checkTaskType(nothing as never, 'file:///types/waiter.js', 1), {
      name: 'StartError',
      message: /waiter\.js/
    })
  }
})

t.test('an invalid input schema is refused by the name of its file', async (t) => {
  const schemas = [
    { type: 'objekt' },
    { type: 'object', propertys: {} },
    { properties: { a: { type: 'string', minLenght: 1 } } },
    { type: 'string', format: 'no-such-format' },
    { type: 'string', pattern: '(' },
    { $ref: '#/definitions/nowhere' },
    { $schema: 'http://example.com/unknown-schema' },
    { minimum: 'low' }
  ]

  for (const input of schemas) {
    const expected = { name: 'StartError', message: /waiter\.js.*schema/s }
    t.throws(() => check({ input }), expected, JSON.stringify(input))
  }
})

t.test('an input is checked against the schema, the message names the field', async (t) => {
  const { checkInput } = check({
    input: {
      type: 'object',
      properties: {
        ms: { type: 'integer', minimum: 0 },
        to: { type: 'string', format: 'email' },
        mode: { enum: ['fast', 'slow'] }
      },
      required: ['ms'],
      additionalProperties: false
    }
  })

  t.equal(checkInput({ ms: 0, to: 'a@example.com', mode: 'fast' }), undefined)
  t.match(checkInput({}), /body\/input.*ms/)
  t.match(checkInput({ ms: '0' }), /body\/input\/ms/)
  t.match(checkInput({ ms: 1, to: 'nobody' }), /body\/input\/to/)
  t.match(checkInput({ ms: 1, mode: 'warp' }), /body\/input\/mode.*fast, slow/)
  t.match(checkInput({ ms: 1, extra: 1 }), /body\/input\/extra/)
  t.match(checkInput(null), /body\/input/)
})

t.test('defaults of the schema are filled in', async (t) => {
  const { checkInput } = check({ input: { type: 'object', properties: { boards: { default: 1 } } } })
  const input = {}

  checkInput(input)

  t.same(input, { boards: 1 })
})

t.test('a schema may be of 2020-12', async (t) => {
  const { checkInput } = check({
    input: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'array',
      prefixItems: [{ type: 'string' }, { type: 'number' }],
      items: false
    }
  })

  t.equal(checkInput(['a', 1]), undefined)
  t.match(checkInput([1, 'a']), /body\/input\/0/)
})

t.test('a folder that cannot be used is refused by the name of the file', async (t) => {
  const folders: [Record<string, string>, RegExp][] = [
    [{ 'syntax.mjs': 'export default {' }, /syntax\.mjs/],
    [{ 'throws.mjs': 'throw new Error("on load")' }, /throws\.mjs.*on load/s],
    [{ 'throws-text.mjs': 'throw "text"' }, /throws-text\.mjs/],
    [{ 'imports.mjs': 'import "no-such-package"' }, /imports\.mjs/],
    [{ 'named.mjs': 'export const type = {}' }, /named\.mjs/],
    [{ 'nothing.mjs': '' }, /nothing\.mjs/],
    [{ 'schema.mjs': moduleOf("input: { type: 'objekt' }") }, /schema\.mjs/],
    [{ 'policy.mjs': moduleOf("isolation: 'fork'") }, /policy\.mjs.*isolation/s],
    [{ 'one.mjs': moduleOf(''), 'two.mjs': moduleOf('') }, /two\.mjs.*waiter.*one\.mjs/s],
    [{ 'built-in.mjs': moduleOf("type: 'bom-coverage'") }, /built-in\.mjs.*bom-coverage/s]
  ]

  for (const [n, [files, message]] of folders.entries()) {
    const dir = t.testdir({ [`folder-${n}`]: files })
    await t.rejects(loadTaskTypes(readSettings({ TASKS_DIR: join(dir, `folder-${n}`) }), quietLog), {
      name: 'StartError',
      message
    })
  }
  await t.rejects(loadTaskTypes(readSettings({ TASKS_DIR: '/no/such/folder' }), quietLog), {
    name: 'StartError',
    message: /TASKS_DIR/
  })
})

t.test('a process with a broken task type does not start and names the file', async (t) => {
  const dir = t.testdir({ 'broken.mjs': 'export default { type: "broken" }' })
  const server = spawnServer(t, { TASK_STORE_URL: 'sqlite::memory:', TASKS_DIR: dir })

  const line = await server.logged(({ level }) => level >= 60)
  const [code] = await server.exited

  t.match(line.msg, /broken\.mjs/)
  t.equal(code, 1)
})
