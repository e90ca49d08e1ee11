import { spawnSync } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Type } from '@sinclair/typebox'
import { Ajv, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { Settings } from './config.ts'
import { StartError } from './errors.ts'
import type { Log } from './log.ts'
import {
  type Isolation,
  isolations,
  type LossPolicy,
  lossPolicies,
  type ShutdownPolicy,
  shutdownPolicies,
  type TaskTypeInfo
} from './task.ts'
import type { TaskType } from './task-type.ts'
import bomCoverage from './tasks/bom-coverage/bom-coverage.ts'
import demo from './tasks/demo/demo.ts'
import { checkAddress } from './tasks/link-check/address.ts'
import { linkCheck } from './tasks/link-check/link-check.ts'
import { maxSeconds, within } from './timers.ts'
import { describeProblems, onFirstUse } from './validation.ts'

/** A checked task type, with every default applied. */
export interface LoadedTaskType {
  type: string
  description: string
  inputSchema: object
  outputSchema?: object
  isolation: Isolation
  onShutdown: ShutdownPolicy
  onLost: LossPolicy
  timeoutMs: number
  attempts: number
  /** How long to wait after the n-th thrown error, counted from 1. */
  backoffMs(failure: number): number
  /** How many of its tasks may run at once, in all processes of the store together. */
  concurrency?: number
  maxRequeues: number
  /** URL of the module whose default export it is. */
  module: string
  run: TaskType['run']
  /** What is wrong with an input, naming the field under `path`; undefined if nothing is. Fills in defaults. */
  checkInput(input: unknown, path?: string): string | undefined
  /** What is wrong with a result (JSON text), if its type says what it has to be. */
  checkOutput?(result: string): string | undefined
}

// After how long the log names a module that is slow to load, and after how long the start fails.
const slowLoadMs = 5_000
const maxLoadMs = 60_000

const Seconds = Type.Number({ minimum: 0, maximum: maxSeconds })
const Backoff = Type.Object(
  {
    initial: Seconds,
    factor: Type.Optional(Type.Number({ minimum: 1 })),
    max: Type.Optional(Seconds),
    jitter: Type.Optional(Type.Boolean())
  },
  { additionalProperties: false }
)

/** What a module's default export must look like. */
const Shape = Type.Object(
  {
    type: Type.String({ pattern: '^[a-z0-9]+([-_.][a-z0-9]+)*$', maxLength: 100 }),
    description: Type.String(),
    input: Type.Object({}),
    output: Type.Optional(Type.Object({})),
    isolation: Type.Optional(Type.Unsafe({ type: 'string', enum: isolations })),
    onShutdown: Type.Optional(Type.Unsafe({ type: 'string', enum: shutdownPolicies })),
    onLost: Type.Optional(Type.Unsafe({ type: 'string', enum: lossPolicies })),
    timeoutSeconds: Type.Optional(Seconds),
    attempts: Type.Optional(Type.Integer({ minimum: 1 })),
    backoffSeconds: Type.Optional(Type.Union([Seconds, Backoff])),
    concurrency: Type.Optional(Type.Integer({ minimum: 1 })),
    maxRequeues: Type.Optional(Type.Integer({ minimum: 0 })),
    run: Type.Unknown()
  },
  { additionalProperties: false }
)

// Strict, so that a misspelt keyword stops the start instead of checking nothing.
const options = {
  useDefaults: true,
  strict: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false
}
// Compiling the meta-schema takes longer than the rest of the start, so only schemas of others are checked against it.
const own = withFormats(new Ajv({ ...options, meta: false, validateSchema: false }))
const draft7 = onFirstUse(() => withFormats(new Ajv(options)))
const draft2020 = onFirstUse(() => withFormats(new Ajv2020(options)))
const isTaskType = own.compile(Shape)

function withFormats<AnyAjv extends Ajv | Ajv2020>(ajv: AnyAjv): AnyAjv {
  addFormats.default(ajv)
  return ajv
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const builtIn = (name: string) => new URL(`./tasks/${name}/${name}.${extension}`, import.meta.url).href

/** The settings that task types depend on. */
type TypeSettings = Pick<Settings, 'TASKS_DIR' | 'TASK_TIMEOUT' | 'LINK_CHECK_ALLOW_PRIVATE'>

/**
 * Loads the built-in task types and those of TASKS_DIR (`*.js`, `*.mjs`, and `*.ts` where Node strips types).
 * Throws a StartError that names the file for a broken module, a duplicate name or an invalid schema.
 */
export async function loadTaskTypes(settings: TypeSettings, log: Log): Promise<Map<string, LoadedTaskType>> {
  const defaultTimeoutMs = settings.TASK_TIMEOUT * 1000
  const links = linkCheck({ isAllowed: checkAddress(settings.LINK_CHECK_ALLOW_PRIVATE) })
  const loaded = [
    checkTaskType(bomCoverage, builtIn('bom-coverage'), defaultTimeoutMs, ownInputChecker),
    checkTaskType(links, builtIn('link-check'), defaultTimeoutMs, ownInputChecker),
    checkTaskType(demo, builtIn('demo'), defaultTimeoutMs, ownInputChecker)
  ]
  for (const module of settings.TASKS_DIR ? await modulesIn(settings.TASKS_DIR) : []) {
    loaded.push(await loadTaskType(module, defaultTimeoutMs, log))
  }
  const types = new Map<string, LoadedTaskType>()
  for (const type of loaded) {
    const other = types.get(type.type)
    if (other)
      throw new StartError(`${type.module}: the task type ${type.type} is also defined in ${other.module}`)
    types.set(type.type, type)
  }
  return types
}

async function modulesIn(dir: string): Promise<string[]> {
  try {
    const modules: string[] = []
    for (const name of (await readdir(dir)).sort()) {
      // Folders are for helpers. A file may be a symbolic link, as in a ConfigMap.
      if (name.startsWith('_') || !/\.(m?js|ts)$/.test(name) || name.endsWith('.d.ts')) continue
      const path = resolve(join(dir, name))
      if ((await stat(path)).isDirectory()) continue
      if (name.endsWith('.ts')) requireTypeStripping(path)
      modules.push(pathToFileURL(path).href)
    }
    return modules
  } catch (error) {
    if (error instanceof StartError) throw error
    throw new StartError(`TASKS_DIR cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

function requireTypeStripping(path: string): void {
  // Missing from the type definitions of the oldest supported Node.
  if ('typescript' in process.features && process.features.typescript) return
  throw new StartError(
    `${path}: Node ${process.version} does not run TypeScript; use Node 22.18 or later, or compile it to JavaScript`
  )
}

/** Loads and checks one module. @throws StartError */
export async function loadTaskType(
  module: string,
  defaultTimeoutMs: number,
  log: Log
): Promise<LoadedTaskType> {
  let exports: { default: TaskType }
  try {
    exports = await importInTime(module, log)
  } catch (error) {
    if (error instanceof StartError) throw error
    throw new StartError(`${module} cannot be loaded: ${describeLoadError(module, error)}`)
  }
  return checkTaskType(exports.default, module, defaultTimeoutMs)
}

function describeLoadError(module: string, error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const stack = error.stack ?? error.message
  if (!(error instanceof SyntaxError) || /^file:/.test(stack)) return stack
  // Node reports the line of a syntax error only if the error is uncaught. This checks the file without running it.
  const options = ['--input-type=module', '--eval', `import ${JSON.stringify(module)}`]
  const { stderr } = spawnSync(process.execPath, options, { encoding: 'utf8', timeout: 10_000 })
  return /^file:.*:\d+\n[\s\S]*?SyntaxError.*$/m.exec(stderr)?.[0] ?? stack
}

/** A module may await something for ever, and nothing else would name it. */
async function importInTime(module: string, log: Log): Promise<{ default: TaskType }> {
  const slow = setTimeout(() => log.warn({ module }, 'a task type is still being loaded'), slowLoadMs)
  try {
    const loading = import(module)
    if (await within(maxLoadMs, loading)) return await loading
    throw new StartError(`${module} was not loaded within ${maxLoadMs / 1000} seconds`)
  } finally {
    clearTimeout(slow)
  }
}

/** Checks a module's default export and applies the defaults. @throws StartError */
export function checkTaskType(
  type: TaskType,
  module: string,
  defaultTimeoutMs: number,
  makeChecker = inputChecker
): LoadedTaskType {
  if (!isTaskType(type) || typeof type.run !== 'function') {
    const problem = describeProblems(isTaskType.errors, 'default')
    throw new StartError(`${module} is not a task type: ${problem || 'default/run must be a function'}`)
  }
  return {
    type: type.type,
    description: type.description,
    inputSchema: type.input,
    isolation: type.isolation ?? 'process',
    onShutdown: type.onShutdown ?? 'cancel',
    onLost: type.onLost ?? 'fail',
    timeoutMs: type.timeoutSeconds === undefined ? defaultTimeoutMs : type.timeoutSeconds * 1000,
    attempts: type.attempts ?? 1,
    backoffMs: backoffOf(type.backoffSeconds ?? 0),
    ...(type.concurrency !== undefined && { concurrency: type.concurrency }),
    maxRequeues: type.maxRequeues ?? 20,
    module,
    run: type.run.bind(type),
    checkInput: makeChecker(type, module),
    ...(type.output && { outputSchema: type.output, checkOutput: outputChecker(type.output, module) })
  }
}

function backoffOf(backoff: NonNullable<TaskType['backoffSeconds']>): LoadedTaskType['backoffMs'] {
  if (typeof backoff === 'number') return () => Math.round(backoff * 1000)
  const { initial, factor = 2, max = maxSeconds, jitter = true } = backoff
  return (failure) => {
    const seconds = Math.min(initial * factor ** (failure - 1), max)
    // So that tasks that failed together are not retried together.
    return Math.round(seconds * 1000 * (jitter ? 0.5 + Math.random() / 2 : 1))
  }
}

function outputChecker(schema: object, module: string): (result: string) => string | undefined {
  const validate = compile(schema, module, 'output', false)
  return (result) => (validate(JSON.parse(result)) ? undefined : describeProblems(validate.errors, 'result'))
}

function inputChecker(type: TaskType, module: string): LoadedTaskType['checkInput'] {
  const validate = compile(type.input, module, 'input', true)
  return (input, path = 'body/input') =>
    validate(input) ? undefined : describeProblems(validate.errors, path)
}

/** `useDefaults` fills in the defaults of the checked value. @throws StartError */
function compile(schema: object, module: string, what: string, useDefaults: boolean): ValidateFunction {
  const { $schema } = schema as { $schema?: string }
  const is2020 = String($schema).includes('2020-12')
  const plain = useDefaults ? options : { ...options, useDefaults: false }
  try {
    if (is2020) return (useDefaults ? draft2020() : withFormats(new Ajv2020(plain))).compile(schema)
    return (useDefaults ? draft7() : withFormats(new Ajv(plain))).compile(schema)
  } catch (error) {
    throw new StartError(
      `${module}: invalid ${what} schema: ${error instanceof Error ? error.message : error}`
    )
  }
}

/** For the built-in types, whose schemas have tests: compiled on first use. */
function ownInputChecker(type: TaskType): LoadedTaskType['checkInput'] {
  const validator = onFirstUse(() => own.compile(type.input))
  return (input, path = 'body/input') => {
    const validate = validator()
    return validate(input) ? undefined : describeProblems(validate.errors, path)
  }
}

/** What clients see of a type. */
export function taskTypeInfo(loaded: LoadedTaskType): TaskTypeInfo {
  const { type, description, inputSchema, outputSchema, isolation, onShutdown, onLost, concurrency } = loaded
  return {
    type,
    description,
    inputSchema,
    ...(outputSchema && { outputSchema }),
    isolation,
    onShutdown,
    onLost,
    timeoutSeconds: loaded.timeoutMs / 1000,
    ...(concurrency !== undefined && { concurrency })
  }
}
