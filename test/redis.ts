/** A Redis of the test's own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { needsCommand } from './helper.ts'

// Or what speaks its protocol, such as valkey-server.
const program = process.env.REDIS_SERVER ?? 'redis-server'

/** Why a test that needs Redis is skipped, if it is. */
export const needsRedis = (): string | false => needsCommand(program)

interface Teardown {
  teardown(handler: () => unknown): void
}

/** What a Redis that keeps accepted tasks needs, with the folder that it keeps them in. */
export const durable = (dir: string): string[] => [
  '--dir',
  dir,
  '--appendonly',
  'yes',
  '--appendfsync',
  'always'
]

/** What makes a server a Sentinel: the file that it keeps its configuration in, and what that begins with. */
interface SentinelFile {
  file: string
  text: readonly string[]
}

/** A Redis on a free loopback port, which keeps nothing unless its arguments say so; ended with the test. */
export async function startRedis(t: Teardown, args: readonly string[] = [], sentinel?: SentinelFile) {
  const port = await freePort()
  if (sentinel) await writeFile(sentinel.file, sentinel.text.join('\n'))
  let child: ChildProcess
  const start = async () => {
    const address = ['--port', `${port}`, '--bind', '127.0.0.1']
    const all = sentinel
      ? [sentinel.file, '--sentinel', ...address, ...args]
      : [...address, '--save', '', ...args]
    child = spawn(program, all, { stdio: 'ignore' })
    while (!(await answers(port))) {
      if (child.exitCode !== null) throw new Error(`${program} exited with ${child.exitCode}`)
      await sleep(10)
    }
  }
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }
  await start()
  t.teardown(() => stop('SIGKILL'))
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    /** Starts it again, with what it has on disk. */
    start,
    stop,
    signal: (signal: NodeJS.Signals) => child.kill(signal),
    /** What it answers, as redis-cli prints it. */
    command: async (...args: string[]): Promise<string> =>
      (await promisify(execFile)('redis-cli', ['-p', `${port}`, ...args])).stdout
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  server.close()
  await once(server, 'close')
  return port
}

/** Whether a server takes connections and answers, if only to refuse; not while it loads what it has on disk. */
async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write('PING\r\n')
    const [answer] = await once(socket, 'data')
    return !String(answer).startsWith('-LOADING')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
