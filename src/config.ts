import { type Static, type TObject, Type } from '@sinclair/typebox'
import { Ajv, type ErrorObject } from 'ajv'
import { StartError } from './errors.ts'
import { exitMarginMs } from './shutdown.ts'
import { maxSeconds, maxTimerMs } from './timers.ts'
import { parseApiTokens } from './tokens.ts'

const ajv = new Ajv({
  allErrors: true,
  verbose: true,
  keywords: ['unit', 'form'],
  coerceTypes: true,
  useDefaults: true,
  // Otherwise Ajv lets Infinity pass every minimum and maximum.
  strictNumbers: false,
  // The schema is our own, and compiling the meta-schema to check it would delay the start. env-schema compiles one
  // when it is imported, so the settings go to Ajv without it: docs/adr/0011.
  meta: false,
  validateSchema: false
})

const Seconds = (defaultValue: number, description: string) =>
  Type.Number({ default: defaultValue, minimum: 0, maximum: maxSeconds, unit: 'seconds', description })

const Secret = (description: string) => Type.Optional(Type.String({ writeOnly: true, description }))

// Scheme, host and port, as in an Origin header.
const origin = '[A-Za-z][A-Za-z0-9+.-]*://[^\\s,/?#@*]+'

/** Every setting: its type, default and meaning. The README's table and the chart's values follow from it. */
export const Settings = Type.Object({
  HOST: Type.String({ default: '0.0.0.0', description: 'Address to listen on.' }),
  PORT: Type.Integer({ default: 3000, minimum: 0, maximum: 65535, description: 'Port to listen on.' }),
  LOG_LEVEL: Type.Unsafe<'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'>({
    type: 'string',
    enum: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    default: 'info',
    description: 'Lowest log level that is written.'
  }),
  TASK_STORE_URL: Type.String({
    default: 'sqlite:./data/tasks.db',
    // `sqlite://x` is a path below the root to some and one below the working directory to others.
    pattern: '^(sqlite:/?[^/].*|rediss?://.+)$',
    form: 'sqlite:<path> (without //), sqlite::memory:, redis://… or rediss://…',
    description: 'Where tasks are stored: `sqlite:<path>`, `sqlite::memory:`, `redis://…` or `rediss://…`.'
  }),
  TASK_QUEUE_PREFIX: Type.String({
    default: 'lastcall',
    pattern: '^[A-Za-z0-9_.-]{1,64}$',
    form: '1 to 64 letters, digits and any of _ . -',
    description: 'Prefix of all keys in Redis. Services that share a Redis need different prefixes.'
  }),
  STORE_SYNC: Type.Unsafe<'full' | 'normal'>({
    type: 'string',
    enum: ['full', 'normal'],
    default: 'full',
    description:
      '`full`: an accepted task survives a power failure; `normal`: it survives a crash of the process. SQLite only.'
  }),
  GRACEFUL_SHUTDOWN_TIMEOUT: Seconds(
    600,
    'Time in seconds for running tasks to finish after draining has begun.'
  ),
  SHUTDOWN_DELAY: Seconds(
    0,
    'Time in seconds after SIGTERM during which the service is unready but serves all requests, while load balancers stop sending new ones.'
  ),
  CANCEL_GRACE: Seconds(5, 'Time in seconds for an aborted task to stop before its worker is killed.'),
  SCRAPE_LINGER: Seconds(
    0,
    'Maximum time in seconds to wait for one more scrape of `/metrics` after the last task has ended.'
  ),
  DRAIN_PENDING: Type.Unsafe<'keep' | 'run'>({
    type: 'string',
    enum: ['keep', 'run'],
    default: 'keep',
    description:
      '`keep`: a drain leaves pending tasks in the store; `run`: it runs them too. `sqlite::memory:` always runs them, Redis never.'
  }),
  MAX_WORKERS: Type.Integer({
    default: 4,
    minimum: 1,
    maximum: 1024,
    description: 'Maximum number of tasks that run at once in this process.'
  }),
  MAX_PENDING: Type.Integer({
    default: 10_000,
    minimum: 1,
    maximum: 100_000_000,
    description: 'Maximum number of pending tasks. While it is reached, new tasks are rejected with 429.'
  }),
  TASK_TIMEOUT: Seconds(300, 'Time limit of one attempt in seconds, unless the task type sets its own.'),
  TASK_RETENTION: Seconds(3600, 'Seconds to keep a completed or cancelled task and its events.'),
  FAILED_TASK_RETENTION: Seconds(259_200, 'Seconds to keep a failed task and its events.'),
  WORKER_MEMORY_LIMIT: Type.Integer({
    default: 512,
    minimum: 16,
    maximum: 1_048_576,
    unit: 'MiB',
    description: 'Heap limit of each worker (child process or thread) in MiB.'
  }),
  TASKS_DIR: Type.Optional(
    Type.String({
      description: 'Folder with your own task types (`*.js`, `*.mjs`; `*.ts` with Node.js 22.18 or later).'
    })
  ),
  ADMIN_TOKEN: Secret('Bearer token for `/admin/*`; if unset, the admin API is disabled.'),
  API_TOKENS: Secret(
    'Bearer tokens for `/api/*`, comma-separated, each `token` or `name:token` (the log identifies the client by that name); if unset, the API is open.'
  ),
  TICKET_TTL: Seconds(
    3600,
    'Lifetime of a stream ticket in seconds. With `API_TOKENS` set, each `streamUrl` carries a ticket, because EventSource cannot send headers.'
  ),
  TICKET_SECRET: Secret(
    'Key that signs stream tickets. It must be the same in all processes; if unset, it is derived from `API_TOKENS`.'
  ),
  CORS_ORIGINS: Type.Optional(
    Type.String({
      // Every character that a browser sends in an Origin header.
      pattern: `^\\s*(\\*|${origin}(\\s*,\\s*${origin})*)\\s*$`,
      description:
        'Origins whose pages may call `/api` from a browser, comma-separated, such as `https://example.org`, or `*`; if unset, no other origin may.'
    })
  ),
  UI_ENABLED: Type.Boolean({ default: true, description: "Serves the operators' page at `/ui`." }),
  SSE_HEARTBEAT: Seconds(15, 'Seconds between heartbeat comments on an event stream.'),
  BODY_LIMIT: Type.Integer({
    default: 10_485_760,
    minimum: 1,
    maximum: 1_073_741_824,
    unit: 'bytes',
    description: 'Size limit of a request body in bytes.'
  }),
  LINK_CHECK_ALLOW_PRIVATE: Type.Boolean({
    default: false,
    description: 'Allows `link-check` to reach private, loopback and link-local addresses.'
  })
})
export type Settings = Static<typeof Settings>

const isSettings = ajv.compile<Settings>(Settings)

/** The budgets that add up to the longest shutdown. */
const budgets = ['SHUTDOWN_DELAY', 'GRACEFUL_SHUTDOWN_TIMEOUT', 'CANCEL_GRACE', 'SCRAPE_LINGER'] as const

/**
 * Reads the settings from environment variables; an empty one counts as not set.
 * Throws a StartError that names each variable with a bad value and says what would be right, without repeating secrets.
 */
export function readSettings(env: Record<string, string | undefined>): Settings {
  const settings: unknown = Object.fromEntries(
    Object.keys(Settings.properties).flatMap((name) => (env[name] ? [[name, env[name]]] : []))
  )
  if (!isSettings(settings)) {
    const problems = (isSettings.errors ?? []).map((problem) => explain(problem, env))
    throw new StartError([...new Set(problems)].join('; '))
  }
  const budgetMs = shutdownBudgetMs(settings)
  if (budgetMs > maxTimerMs) {
    const seconds = Math.floor((maxTimerMs - exitMarginMs) / 1000)
    throw new StartError(
      `${budgets.join(' + ')} must be at most ${seconds} seconds, the longest timer there is`
    )
  }
  checkStoreUrl(settings)
  return checkSecrets(settings)
}

/** How long a whole shutdown may take, in milliseconds. */
export function shutdownBudgetMs(settings: Settings): number {
  return budgets.reduce((sum, name) => sum + settings[name] * 1000, exitMarginMs)
}

/** `NAME=value: must be …`. */
function explain(
  { instancePath, parentSchema = {}, message = 'is not valid' }: ErrorObject,
  env: NodeJS.ProcessEnv
) {
  const name = instancePath.slice(1)
  const { type, enum: allowed, minimum, maximum, unit, form, writeOnly } = parentSchema
  const kind = type === 'integer' ? 'whole number' : String(type)
  const right = allowed
    ? `must be one of ${allowed.join(', ')}`
    : type === 'number' || type === 'integer'
      ? `must be a ${kind}${unit ? ` of ${unit}` : ''} from ${minimum} to ${maximum}`
      : type === 'boolean'
        ? 'must be true or false'
        : form
          ? `must be ${form}`
          : message
  // A store's URL may contain a password.
  const value = writeOnly ? '…' : env[name]?.replace(/\/\/.*@/, '//…@')
  return `${name}=${value}: ${right}`
}

/** The URL is not repeated: it may contain a password. */
function checkStoreUrl({ TASK_STORE_URL }: Settings): void {
  if (!TASK_STORE_URL.startsWith('redis')) return
  try {
    const { username, password } = new URL(TASK_STORE_URL)
    decodeURIComponent(username + password)
  } catch {
    throw new StartError(
      'TASK_STORE_URL is not a valid URL; percent-encode the special characters of its user and password'
    )
  }
}

/** Secrets often come from files that end with a newline. A blank one is a mistake, and must not disable access control. */
function checkSecrets(settings: Settings): Settings {
  for (const name of ['ADMIN_TOKEN', 'API_TOKENS', 'TICKET_SECRET'] as const) {
    const secret = settings[name]?.trim()
    if (secret === '') throw new StartError(`${name} is set but blank`)
    if (secret !== undefined) settings[name] = secret
  }
  if (settings.API_TOKENS !== undefined) parseApiTokens(settings.API_TOKENS)
  return settings
}

/** The rows of the README's configuration table, in the order of declaration. */
export function describeSettings(schema: TObject = Settings) {
  return Object.entries(schema.properties).map(([name, setting]) => ({
    name,
    default: setting.default as string | number | boolean | undefined,
    description: String(setting.description),
    secret: setting.writeOnly === true
  }))
}
