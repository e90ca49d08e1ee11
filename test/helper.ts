/** What most tests need: the app in this process, or the real program in another. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { buildApp } from '../src/app.ts'
import { readSettings } from '../src/config.ts'
import type { Log } from '../src/log.ts'
import type { TaskContext, TaskType } from '../src/task-type.ts'
import { checkTaskType, type LoadedTaskType } from '../src/task-types.ts'
import { newerSource, program } from './build-age.ts'

type Env = Record<string, string>

/** The app on a free port, with its own store in memory; closed when the test ends. */
export async function startApp(
  t: Test,
  { env = {}, types = [] }: { env?: Env; types?: readonly LoadedTaskType[] } = {}
) {
  const settings = readSettings({
    TASK_STORE_URL: 'sqlite::memory:',
    GRACEFUL_SHUTDOWN_TIMEOUT: '0',
    CANCEL_GRACE: '1',
    ...env
  })
  const app = await buildApp({ settings, types })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app
}

export const urlOf = (app: { listeningOrigin: string }): string => app.listeningOrigin

/** A task type that lives in the test itself; inline, because a thread could not see it. */
export function inlineType(type: Partial<TaskType> & Pick<TaskType, 'type' | 'run'>): LoadedTaskType {
  return checkTaskType({ description: type.type, input: {}, isolation: 'inline', ...type }, 'test:', 60_000)
}

/** A task type whose runs wait to be let go: a test holds it still, looks, and releases it. */
export function heldTask(policies: Partial<TaskType> = {}) {
  const runs: {
    input: unknown
    ctx: TaskContext
    release: (result?: unknown) => void
    fail: (error: unknown) => void
  }[] = []
  const waiting: (() => void)[] = []
  const type = inlineType({
    type: 'held',
    ...policies,
    run: (input, ctx) =>
      new Promise((resolve, reject) => {
        runs.push({ input, ctx, release: resolve, fail: reject })
        ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason))
        for (const wake of waiting.splice(0)) wake()
      })
  })
  /** The n-th run, counted from 0, as soon as it has started. */
  const started = async (n = 0) => {
    for (;;) {
      const run = runs[n]
      if (run) return run
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
  }
  return { type, runs, started }
}

const root = new URL('../', import.meta.url)

/** Throws if the program is older than its sources: the test would be one of something else. */
let checked = false
function requireBuild(): void {
  if (checked) return
  checked = true
  const newer = newerSource()
  if (newer) throw new Error(`${newer} is newer than the build: npm run build`)
}

/** The real program in a process of its own, on a free port; killed when the test ends. Resolves when it listens. */
export async function startServer(t: Test, env: Env = {}) {
  const server = spawnServer(t, env)
  server.url = await server.listening()
  return server
}

interface LogLine {
  level: number
  msg: string
  [field: string]: unknown
}

/** The Node that runs the program: this one, or another version that CI names, such as the image's. */
export const programNode = process.env.LASTCALL_NODE || process.execPath

/** The real program, not waited for. */
export function spawnServer(t: Test, env: Env = {}, { detached = false } = {}) {
  requireBuild()
  const child = spawn(programNode, [fileURLToPath(program)], {
    cwd: fileURLToPath(root),
    env: { PATH: process.env.PATH ?? '', HOST: '127.0.0.1', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached
  })
  return watchServer(t, child)
}

/** A process of the program. `logged` resolves with the first line, past or future, that passes. */
export function watchServer(t: Test, child: ChildProcess) {
  const exited = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const lines: LogLine[] = []
  const watchers = new Set<(line: LogLine) => void>()
  if (!child.stdout) throw new Error('the server has no stdout')
  createInterface(child.stdout).on('line', (text) => {
    const line: LogLine = text.startsWith('{') ? JSON.parse(text) : { level: 0, msg: text }
    lines.push(line)
    for (const watch of watchers) watch(line)
  })
  const logged = (passes: (line: LogLine) => boolean): Promise<LogLine> => {
    const past = lines.find(passes)
    if (past) return Promise.resolve(past)
    return new Promise((resolve, reject) => {
      const watch = (line: LogLine) => {
        if (!passes(line)) return
        watchers.delete(watch)
        resolve(line)
      }
      watchers.add(watch)
      void exited.then(([code, signal]) =>
        reject(new Error(`the server exited (${code ?? signal}): ${JSON.stringify(lines.slice(-3))}`))
      )
    })
  }
  /** Resolves with the address when it listens. */
  const listening = async () => {
    const start = 'Server listening at '
    return (await logged(({ msg }) => msg.startsWith(start))).msg.replace(start, '')
  }
  return { url: '', child, lines, logged, listening, exited }
}

export const quietLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quietLog }

/** Why a test that needs a program is skipped, if it is; in CI every program must be there. */
export function needsCommand(name: string): string | false {
  const found = spawnSync('which', [name]).status === 0
  if (found || process.env.CI) return false
  return `${name} is not installed`
}

/** A task type for TASKS_DIR that collects garbage, so that a test measures what is kept, not what nobody has collected yet. */
export const collectType = `
  import { setFlagsFromString } from 'node:v8'
  import { runInNewContext } from 'node:vm'
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc')
  export default {
    type: 'collect', description: 'Collects garbage.', input: {}, isolation: 'inline', run: () => gc()
  }`
