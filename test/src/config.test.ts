import t from 'tap'
import { describeSettings, readSettings } from '../../src/config.ts'
import { StartError } from '../../src/errors.ts'
import { spawnServer } from '../helper.ts'

const defaults = {
  HOST: '0.0.0.0',
  PORT: 3000,
  LOG_LEVEL: 'info',
  TASK_STORE_URL: 'sqlite:./data/tasks.db',
  TASK_QUEUE_PREFIX: 'lastcall',
  STORE_SYNC: 'full',
  GRACEFUL_SHUTDOWN_TIMEOUT: 600,
  SHUTDOWN_DELAY: 0,
  CANCEL_GRACE: 5,
  SCRAPE_LINGER: 0,
  DRAIN_PENDING: 'keep',
  MAX_WORKERS: 4,
  MAX_PENDING: 10_000,
  TASK_TIMEOUT: 300,
  TASK_RETENTION: 3600,
  FAILED_TASK_RETENTION: 259_200,
  TICKET_TTL: 3600,
  UI_ENABLED: true,
  WORKER_MEMORY_LIMIT: 512,
  SSE_HEARTBEAT: 15,
  BODY_LIMIT: 10_485_760,
  LINK_CHECK_ALLOW_PRIVATE: false
}

t.test('without any variable every setting has its default', async (t) => {
  t.strictSame(readSettings({}), defaults)
})

t.test('the settings are those of the contract, no more and no less', async (t) => {
  t.same(
    describeSettings()
      .map(({ name }) => name)
      .sort(),
    [
      ...Object.keys(defaults),
      'TASKS_DIR',
      'ADMIN_TOKEN',
      'API_TOKENS',
      'TICKET_SECRET',
      'CORS_ORIGINS'
    ].sort()
  )
})

t.test('a variable that is set is taken, in its type', async (t) => {
  const env = {
    HOST: '::1',
    PORT: '0',
    LOG_LEVEL: 'debug',
    TASK_STORE_URL: 'rediss://user:pass@redis:6380/2',
    TASK_QUEUE_PREFIX: 'blue.green-1',
    STORE_SYNC: 'normal',
    GRACEFUL_SHUTDOWN_TIMEOUT: '0.5',
    SHUTDOWN_DELAY: '10',
    CANCEL_GRACE: '0',
    SCRAPE_LINGER: '35',
    DRAIN_PENDING: 'run',
    MAX_WORKERS: '16',
    MAX_PENDING: '5',
    TASK_TIMEOUT: '1e3',
    TASK_RETENTION: '0',
    FAILED_TASK_RETENTION: '86400',
    WORKER_MEMORY_LIMIT: '64',
    TASKS_DIR: './types',
    ADMIN_TOKEN: 'secret',
    API_TOKENS: 'a,b',
    TICKET_TTL: '60',
    TICKET_SECRET: 'signs',
    CORS_ORIGINS: 'https://a.example, http://localhost:5173',
    UI_ENABLED: 'false',
    SSE_HEARTBEAT: '0.05',
    BODY_LIMIT: '1',
    LINK_CHECK_ALLOW_PRIVATE: 'true'
  }

  t.strictSame(readSettings(env), {
    ...env,
    PORT: 0,
    GRACEFUL_SHUTDOWN_TIMEOUT: 0.5,
    SHUTDOWN_DELAY: 10,
    CANCEL_GRACE: 0,
    SCRAPE_LINGER: 35,
    MAX_WORKERS: 16,
    MAX_PENDING: 5,
    TASK_TIMEOUT: 1000,
    TASK_RETENTION: 0,
    FAILED_TASK_RETENTION: 86_400,
    TICKET_TTL: 60,
    UI_ENABLED: false,
    WORKER_MEMORY_LIMIT: 64,
    SSE_HEARTBEAT: 0.05,
    BODY_LIMIT: 1,
    LINK_CHECK_ALLOW_PRIVATE: true
  })
})

t.test('an empty variable counts as not set', async (t) => {
  const empty = Object.fromEntries(describeSettings().map(({ name }) => [name, '']))

  t.strictSame(readSettings(empty), defaults)
  t.strictSame(readSettings({ PORT: undefined }), defaults)
})

t.test('other variables are nobody else’s business', async (t) => {
  t.strictSame(readSettings({ PATH: '/bin', HOME: '/root', port: '1', __proto__: 'x' }), defaults)
})

t.test('a store URL with an unescaped password is refused, and not repeated', async (t) => {
  const secrets = ['pa#ss', 'pa/ss', 'pa?ss', 'pa%ss', 'p@/ss']
  const urls = secrets.flatMap((secret) => [
    `redis://:${secret}@host:6379`,
    `rediss://user:${secret}@host:6379/2`
  ])
  for (const url of [...urls, ...secrets.map((secret) => `http://user:${secret}@host`)]) {
    try {
      readSettings({ TASK_STORE_URL: url })
      t.fail(url)
    } catch (error) {
      t.match(error, { name: 'StartError', message: /^TASK_STORE_URL/ })
      t.notMatch(String(error), /ss@|pa[#/?%]|p@/)
    }
  }
  t.equal(
    readSettings({ TASK_STORE_URL: 'redis://:pa%23ss@host:6379' }).TASK_STORE_URL,
    'redis://:pa%23ss@host:6379'
  )
})

t.test('a bad value is an error that names its variable', async (t) => {
  const bad: Record<string, string[]> = {
    PORT: ['abc', '-1', '65536', '1.5', 'NaN', '80a'],
    LOG_LEVEL: ['loud', 'INFO'],
    TASK_STORE_URL: [
      'sqlite:',
      'sqlite://x.db',
      'sqlite:///x.db',
      'postgres://db',
      './tasks.db',
      'redis:x',
      'http://redis'
    ],
    TASK_QUEUE_PREFIX: ['a b', 'a:b', '{x}', 'x'.repeat(65)],
    STORE_SYNC: ['off', 'FULL'],
    GRACEFUL_SHUTDOWN_TIMEOUT: ['-1', 'ten', '10s', 'Infinity', '1e400', '2147484'],
    SHUTDOWN_DELAY: ['-0.1', 'x'],
    CANCEL_GRACE: ['-1', '5s'],
    SCRAPE_LINGER: ['-1'],
    DRAIN_PENDING: ['yes', 'true'],
    MAX_WORKERS: ['0', '-1', '1.5', 'many'],
    MAX_PENDING: ['0', '1.5'],
    TASK_TIMEOUT: ['-1', 'never'],
    TASK_RETENTION: ['-1', '1d'],
    FAILED_TASK_RETENTION: ['-1', '3d'],
    WORKER_MEMORY_LIMIT: ['0', '1', '512Mi', '1.5'],
    SSE_HEARTBEAT: ['-1', 'x'],
    BODY_LIMIT: ['0', '10mb', '-5'],
    LINK_CHECK_ALLOW_PRIVATE: ['yes', '2', 'TRUE'],
    API_TOKENS: [' ', ',', ' , ', '\n', 'ci:', ':secret', 'a,ci: '],
    ADMIN_TOKEN: [' ', '\n'],
    TICKET_SECRET: [' \n'],
    TICKET_TTL: ['-1', '1h'],
    CORS_ORIGINS: [
      'example.org',
      'https://',
      'https://a.example/',
      'https://a.example/path',
      'https://*.example',
      ',',
      '*,*'
    ]
  }

  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      t.throws(
        () => readSettings({ [name]: value }),
        { name: 'StartError', message: new RegExp(`\\b${name}\\b`) },
        `${name}=${value}`
      )
    }
  }
})

t.test('secrets lose the white space around them', async (t) => {
  const { ADMIN_TOKEN, API_TOKENS, TICKET_SECRET } = readSettings({
    ADMIN_TOKEN: 'operator\n',
    API_TOKENS: ' one,two\r\n',
    TICKET_SECRET: 'signs\n'
  })

  t.same(
    { ADMIN_TOKEN, API_TOKENS, TICKET_SECRET },
    { ADMIN_TOKEN: 'operator', API_TOKENS: 'one,two', TICKET_SECRET: 'signs' }
  )
})

t.test('a bad value is told without the secrets beside it', async (t) => {
  const secrets = { ADMIN_TOKEN: 'hunter2', API_TOKENS: 'hunter2,hunter3' }
  t.plan(2)

  try {
    readSettings({ ...secrets, PORT: 'abc' })
  } catch (error) {
    t.type(error, StartError)
    t.notMatch(String(error), /hunter/)
  }
})

t.test('every setting is described, and only tokens are secret', async (t) => {
  const settings = describeSettings()

  for (const { name, description } of settings) t.match(description, /^[A-Z`].{10,}\.$/s, name)
  for (const { name, default: value } of settings)
    t.equal(value, (defaults as Record<string, unknown>)[name], name)
  t.same(
    settings.filter(({ secret }) => secret).map(({ name }) => name),
    ['ADMIN_TOKEN', 'API_TOKENS', 'TICKET_SECRET']
  )
})

t.test('a process with a bad value does not start and names the variable', async (t) => {
  const server = spawnServer(t, { MAX_WORKERS: 'many', TASK_STORE_URL: 'sqlite::memory:' })

  const line = await server.logged(({ level }) => level >= 60)
  const [code] = await server.exited

  t.match(line.msg, /MAX_WORKERS/)
  t.notMatch(line.msg, /\n/, 'without a stack')
  t.equal(code, 1)
})
