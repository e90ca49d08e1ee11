import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** A server in a process of its own. */
export interface Program {
  readonly port: number
  /** Milliseconds from the spawn to the first `ok`. */
  readonly startMs: number
  /** Seconds of CPU time that the process has used so far, in all its threads. */
  cpuSeconds(): number
  /** Memory that the process holds now, in MiB. */
  memoryMiB(): number
  /** The processes that it started. */
  children(): number[]
  /** A folder that is removed with the process; on the disk that the repository is on, because /tmp may be memory. */
  readonly dir: string
  /** Milliseconds from SIGTERM to the exit. */
  stop(): Promise<number>
}

/** The built service, with the task types of the benchmarks; `fill` may put a store into its folder first. */
export function startLastcall(
  env: Record<string, string> = {},
  fill: (path: string) => void = () => {}
): Promise<Program> {
  return start(here('../dist/src/server.js'), (dir) => {
    fill(join(dir, 'tasks.db'))
    return {
      HOST: '127.0.0.1',
      LOG_LEVEL: 'error',
      TASKS_DIR: here('tasks'),
      TASK_STORE_URL: `sqlite:${join(dir, 'tasks.db')}`,
      GRACEFUL_SHUTDOWN_TIMEOUT: '0',
      CANCEL_GRACE: '1',
      ...env
    }
  })
}

/** A program of the folder `peers`. */
export function startPeer(name: string, env: Record<string, string> = {}): Promise<Program> {
  return start(here(`peers/${name}.mjs`), () => env)
}

const children = new Set<ChildProcess>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

async function start(script: string, envFor: (dir: string) => Record<string, string>): Promise<Program> {
  await mkdir(here('data'), { recursive: true })
  const dir = mkdtempSync(here('data/run-'))
  const port = await freePort()
  const env = { PATH: process.env.PATH ?? '', PORT: String(port), ...envFor(dir) }
  const args = process.env.BENCH_NODE_ARGS?.split(' ') ?? []
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...args, script], { env, stdio: 'inherit' })
  children.add(child)
  const exited = once(child, 'exit').then(() => {
    children.delete(child)
    rmSync(dir, { recursive: true, force: true })
  })
  while (!(await isReady(port))) {
    if (child.exitCode !== null) throw new Error(`${script} did not start`)
    await sleep(2)
  }
  const startMs = performance.now() - startedAt
  return {
    port,
    startMs,
    dir,
    cpuSeconds: () => cpuSeconds(child.pid ?? 0),
    memoryMiB: () => memoryMiB(child.pid ?? 0),
    children: () => childrenOf(child.pid ?? 0),
    async stop() {
      const stoppedAt = performance.now()
      child.kill('SIGTERM')
      await exited
      return performance.now() - stoppedAt
    }
  }
}

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok
  } catch {
    return false
  }
}

// Linux counts CPU time in hundredths of a second: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
const ticksPerSecond = 100

function cpuSeconds(pid: number): number {
  const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const [utime = 0, stime = 0] = fields.split(' ').slice(11, 13).map(Number)
  return (utime + stime) / ticksPerSecond
}

export function memoryMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return children.split(' ').filter(Boolean).map(Number)
}
