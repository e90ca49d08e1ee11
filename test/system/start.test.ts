import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { program } from '../build-age.ts'
import { spawnServer, startServer } from '../helper.ts'
import { fakeTime } from './fake-time.ts'
import { refusedStart } from './refused-start.ts'

t.setTimeout(120_000)
t.jobs = 2

const badSettings = [
  ['PORT', 'http', 'must be a whole number from 0 to 65535'],
  ['MAX_WORKERS', '0', 'must be a whole number from 1 to 1024'],
  ['LOG_LEVEL', 'loud', 'must be one of fatal, error, warn, info, debug, trace, silent'],
  ['STORE_SYNC', 'maybe', 'must be one of full, normal'],
  ['GRACEFUL_SHUTDOWN_TIMEOUT', '10m', 'must be a number of seconds from 0 to 2000000'],
  ['WORKER_MEMORY_LIMIT', '512Mi', 'must be a whole number of MiB from 16 to 1048576'],
  [
    'TASK_STORE_URL',
    'mysql://localhost',
    'must be sqlite:<path> (without //), sqlite::memory:, redis://… or rediss://…'
  ]
] as const

for (const [name, value, right] of badSettings) {
  t.test(`${name}=${value} stops the start with its name, its value and what would be right`, async (t) => {
    const message = await refusedStart(t, { TASK_STORE_URL: 'sqlite::memory:', [name]: value })
    t.equal(message, `${name}=${value}: ${right}`)
  })
}

t.test('budgets whose sum is longer than the longest timer stop the start', async (t) => {
  const message = await refusedStart(t, { GRACEFUL_SHUTDOWN_TIMEOUT: '1500000', SHUTDOWN_DELAY: '1500000' })
  t.match(message, /SHUTDOWN_DELAY \+ GRACEFUL_SHUTDOWN_TIMEOUT .* at most 2147481 seconds/)
})

t.test('a task type that takes 12 s to load is named while the start waits for it', fakeTime, async (t) => {
  const server = await startServer(t, {
    ...slowTypes(t, 'await new Promise((resolve) => setTimeout(resolve, 12_000))'),
    FAKETIME: '+0 x10'
  })
  t.match(
    server.lines.find(({ msg }) => msg === 'a task type is still being loaded'),
    { module: /slow\.mjs$/ }
  )
})

t.test('a task type that is never loaded stops the start with the name of its file', fakeTime, async (t) => {
  const server = spawnServer(t, { ...slowTypes(t, 'await new Promise(() => {})'), FAKETIME: '+0 x30' })
  t.strictSame(await server.exited, [1, null])
  t.match(server.lines.at(-1)?.msg, /slow\.mjs was not loaded within 60 seconds/)
})

t.test('the start says at which address, which version, where to look and who may', async (t) => {
  for (const [env, expected] of [
    [{}, { ui: /\/ui$/, access: 'open to everyone who reaches it', admin: 'off' }],
    [
      { UI_ENABLED: 'false', API_TOKENS: 'shop:secret', ADMIN_TOKEN: 'secret' },
      { ui: undefined, access: 'with one of API_TOKENS', admin: 'with ADMIN_TOKEN' }
    ]
  ] as const) {
    const server = await startServer(t, { TASK_STORE_URL: 'sqlite::memory:', ...env })
    const line = await server.logged(({ msg }) => / is ready$/.test(msg))
    t.match(line, { level: 30, msg: /^lastcall \d+\.\d+\.\d+ is ready$/, api: `${server.url}/api` })
    t.match(line, { docs: `${server.url}/docs`, ...expected })
    t.notMatch(JSON.stringify(server.lines), 'secret')
    t.equal((await fetch(String(line.docs))).status, 200)
  }
})

/** The settings of a task type whose module does something first. */
function slowTypes(t: Test, first: string) {
  const dir = t.testdir({ 'slow.mjs': `${first}\n${typeNamed('slow')}` })
  return { ...fakeTime.env, TASK_STORE_URL: 'sqlite::memory:', TASKS_DIR: dir }
}

const olderNode = process.env.LASTCALL_OLDER_NODE
t.test(
  'a Node that is too old is refused in one line',
  { skip: olderNode || process.env.CI ? false : 'LASTCALL_OLDER_NODE names no Node of version 18' },
  async (t) => {
    const { status, stderr, stdout } = spawnSync(
      // Past tap, which adds to the environment of every process.
      'env',
      ['-i', olderNode ?? 'no older Node', fileURLToPath(program)],
      { encoding: 'utf8' }
    )
    t.equal(status, 1)
    t.equal(stdout, '')
    t.match(stderr, /^lastcall needs Node 20\.20\.2 or newer, this is 18\.[\d.]+\n$/)
  }
)

t.test('the oldest Node is the one that package.json promises', async (t) => {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const source = readFileSync(new URL('../../src/node-version.ts', import.meta.url), 'utf8')
  t.equal(`>=${/\[(\d+, \d+, \d+)\]/.exec(source)?.[1]?.replaceAll(', ', '.')}`, engines.node)
})

t.test('several bad settings are named together', async (t) => {
  const message = await refusedStart(t, { PORT: 'http', MAX_WORKERS: '0' })
  t.match(message, /PORT/)
  t.match(message, /MAX_WORKERS/)
})

t.test('a bad setting that is a secret is not repeated', async (t) => {
  const message = await refusedStart(t, { TASK_STORE_URL: 'amqp://user:hunter2@broker' })
  t.match(message, /TASK_STORE_URL/)
  t.notMatch(message, /hunter2/)
})

const typeNamed = (type: string, more = 'input: {}') =>
  `export default { type: '${type}', description: '', ${more}, run: () => 1 }`

const badModules = [
  {
    what: 'a module with a syntax error',
    files: { 'broken.mjs': 'export default {' },
    names: [/broken\.mjs/]
  },
  {
    what: 'a module that throws when it is loaded',
    files: { 'throws.mjs': 'throw new Error("no licence")' },
    names: [/throws\.mjs/, /no licence/]
  },
  {
    what: 'a module without a default export',
    files: { 'empty.mjs': 'export const type = 1' },
    names: [/empty\.mjs/]
  },
  {
    what: 'a module that exports no task type',
    files: { 'half.mjs': 'export default { type: "half" }' },
    names: [/half\.mjs/, /description/]
  },
  {
    what: 'a misspelt policy',
    files: { 'policy.mjs': typeNamed('policy', 'input: {}, onshutdown: "requeue"') },
    names: [/policy\.mjs/, /onshutdown/]
  },
  {
    what: 'two modules of one name',
    files: { 'one.mjs': typeNamed('same'), 'two.mjs': typeNamed('same') },
    names: [/one\.mjs/, /two\.mjs/, /same/]
  },
  {
    what: 'a module with the name of a built-in type',
    files: { 'mine.mjs': typeNamed('bom-coverage') },
    names: [/mine\.mjs/, /bom-coverage/]
  },
  {
    what: 'an invalid input schema',
    files: { 'schema.mjs': typeNamed('schema', 'input: { type: "objekt" }') },
    names: [/schema\.mjs/, /schema/]
  }
]

for (const { what, files, names } of badModules) {
  t.test(`${what} in TASKS_DIR stops the start with the name of the file`, async (t) => {
    const dir = t.testdir({ types: files })
    const message = await refusedStart(t, {
      TASK_STORE_URL: 'sqlite::memory:',
      TASKS_DIR: join(dir, 'types')
    })
    for (const name of names) t.match(message, name)
  })
}

t.test('a TASKS_DIR that does not exist stops the start with its name', async (t) => {
  const env = { TASK_STORE_URL: 'sqlite::memory:', TASKS_DIR: join(t.testdir({}), 'nowhere') }
  const message = await refusedStart(t, env)
  t.match(message, /TASKS_DIR/)
  t.match(message, /nowhere/)
})

t.test('a port in use stops the start with the port', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo

  const message = await refusedStart(t, { TASK_STORE_URL: 'sqlite::memory:', PORT: String(port) })

  t.match(message, new RegExp(`^PORT=${port}: .*127\\.0\\.0\\.1.*EADDRINUSE`))
})

const hasIPv6 = networkInterfaces().lo?.some(({ address }) => address === '::1')

t.test(
  'HOST=:: listens on IPv6 and IPv4',
  { skip: hasIPv6 ? false : 'this machine has no IPv6' },
  async (t) => {
    const server = await startServer(t, { HOST: '::', TASK_STORE_URL: 'sqlite::memory:' })
    const { port } = new URL(server.url)
    for (const host of ['[::1]', '127.0.0.1']) {
      const response = await fetch(`http://${host}:${port}/readyz`)
      t.equal(await response.text(), 'ok', host)
    }
  }
)
