import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startServer } from '../helper.ts'
import { refusedStart } from './refused-start.ts'

t.setTimeout(120_000)
t.jobs = 2

const badSettings = [
  ['PORT', 'http'],
  ['MAX_WORKERS', '0'],
  ['LOG_LEVEL', 'loud'],
  ['STORE_SYNC', 'maybe'],
  ['GRACEFUL_SHUTDOWN_TIMEOUT', '-1'],
  ['TASK_STORE_URL', 'mysql://localhost']
] as const

for (const [name, value] of badSettings) {
  t.test(`${name}=${value} stops the start with its name`, async (t) => {
    const message = await refusedStart(t, { TASK_STORE_URL: 'sqlite::memory:', [name]: value })
    t.match(message, new RegExp(`\\b${name}\\b`))
  })
}

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

  t.match(message, new RegExp(`EADDRINUSE.*:${port}`))
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
