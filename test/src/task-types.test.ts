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
    sub: { 'deeper.mjs': 'throw new Error("not read")' },
    'folder.mjs': { 'deeper.mjs': 'throw new Error("not read")' },
    '_helper.mjs': 'throw new Error("not read")'
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
    maxRequeues: 20
  })
  t.equal(check({}).backoffMs(1), 0)
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
    maxRequeues: 0
  })
  t.equal(check(given).backoffMs(3), 1500)
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
    [{ backoffSeconds: { factor: 2 } }, /backoffSeconds/],
    [{ backoffSeconds: { initial: 1, factor: 0.5 } }, /backoffSeconds/],
    [{ concurrency: 0 }, /concurrency/],
    [{ output: 'string' }, /output/],
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

t.test('a growing backoff stops growing at its maximum, and is drawn from its upper half', async (t) => {
  const steady = check({ backoffSeconds: { initial: 1, max: 5, jitter: false } })
  const drawn = check({ backoffSeconds: { initial: 2, factor: 3 } })

  t.same(
    [1, 2, 3, 4, 5, 5000].map((failure) => steady.backoffMs(failure)),
    [1000, 2000, 4000, 5000, 5000, 5000]
  )
  const waits = Array.from({ length: 200 }, () => drawn.backoffMs(2))
  t.ok(waits.every((ms) => ms >= 3000 && ms <= 6000))
  t.ok(Math.max(...waits) - Math.min(...waits) > 1000)
  t.ok(drawn.backoffMs(10_000) <= 2_000_000_000)
})

t.test('a result is checked against the output of its type, as it is', async (t) => {
  const { checkOutput, outputSchema } = check({
    output: { type: 'object', properties: { a: { type: 'integer', default: 1 } }, required: ['a'] }
  })

  t.match(outputSchema, { type: 'object' })
  t.equal(checkOutput?.('{"a":1}'), undefined)
  t.match(checkOutput?.('{"a":"1"}'), /result\/a/)
  t.match(checkOutput?.('{}'), /result.*a/, 'a default is nothing that was returned')
  t.match(checkOutput?.('null'), /result/)
  t.equal(check({}).checkOutput, undefined)
  t.throws(() => check({ output: { type: 'objekt' } }), { name: 'StartError', message: /output schema/ })
})

t.test(
  'a module that cannot be parsed is refused with its line, also if it is one that it imports',
  async (t) => {
    const dir = t.testdir({
      direct: { 'broken.mjs': 'export default {\n  type: "x",\n  run( {\n}\n' },
      indirect: { 'fine.mjs': "import './_helper.mjs'\n", '_helper.mjs': '\n\nconst = 1\n' },
      throwing: { 'throws.mjs': '\n\n\nthrow new Error("at its top")\n' }
    })
    const cases = { direct: /broken\.mjs:\d/, indirect: /_helper\.mjs:3/, throwing: /throws\.mjs:4/ }

    for (const [name, message] of Object.entries(cases)) {
      const settings = readSettings({ TASKS_DIR: join(dir, name) })
      await t.rejects(loadTaskTypes(settings, quietLog), { name: 'StartError', message }, name)
    }
  }
)

t.test(
  'a TypeScript file is a task type where Node strips types, and is refused where it does not',
  async (t) => {
    const dir = t.testdir({
      'typed.ts': `const type: string = 'typed'
      export default { type, description: 'Typed.', input: {}, isolation: 'inline', run: (): number => 1 }`
    })
    const server = spawnServer(t, { TASKS_DIR: dir, TASK_STORE_URL: 'sqlite::memory:' })
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
    const strips = major > 22 || (major === 22 && minor >= 18)

    if (strips) {
      const url = await server.listening()
      const types = (await (await fetch(`${url}/api/task-types`)).json()) as { type: string }[]
      t.ok(types.some(({ type }) => type === 'typed'))
    } else {
      t.match((await server.logged(({ level }) => level >= 60)).msg, /typed\.ts.*22\.18/)
      t.equal((await server.exited)[0], 1)
    }
  }
)
