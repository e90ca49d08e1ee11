import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Connection, getText, readStream, startTask } from '../connection.ts'
import type { Contender, Row } from '../measure.ts'
import { startPeer } from '../program.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const probe = getText('/healthz')

/** The built service, which tells by its log where it is; nothing has connected to it. */
function start() {
  mkdirSync(here('../data'), { recursive: true })
  const dir = mkdtempSync(here('../data/exit-'))
  const env = {
    PATH: process.env.PATH ?? '',
    HOST: '127.0.0.1',
    PORT: '0',
    TASKS_DIR: here('../tasks'),
    TASK_STORE_URL: `sqlite:${join(dir, 'tasks.db')}`
  }
  const args = process.env.BENCH_NODE_ARGS?.split(' ') ?? []
  const child = spawn(process.execPath, [...args, here('../../dist/src/server.js')], {
    env,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const discard = () => {
    child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
  process.once('exit', discard)
  return {
    dir,
    terminate: () => child.kill('SIGTERM'),
    exited: once(child, 'exit').then(([code]) => ({ code, at: performance.now() })),
    /** Resolves with the next line of the log that contains the text. */
    async logged(text: string): Promise<string> {
      for (;;) {
        const { value, done } = await lines.next()
        if (done) throw new Error(`lastcall ended before it said ${text}`)
        if (value.includes(text)) return value
      }
    },
    discard() {
      process.off('exit', discard)
      discard()
    }
  }
}

/** Milliseconds from the arrival of the final event to the exit. */
async function exit({ dir, terminate, exited, logged }: ReturnType<typeof start>): Promise<number> {
  const port = Number(/http:\/\/127\.0\.0\.1:(\d+)/.exec(await logged('Server listening'))?.[1])

  // Its beginning arrives before what the others ask, and so before the signal.
  const half = connect(port, '127.0.0.1').setNoDelay(true).setEncoding('latin1')
  let answer = ''
  half.on('data', (text: unknown) => {
    answer += String(text)
  })
  half.on('error', () => {})
  const halfClosed = new Promise((resolve) => half.once('close', resolve))
  half.write(probe.slice(0, -2))
  const idle = new Connection(port)
  const gate = join(dir, 'gate')
  const taskId = await startTask(idle, 'ticker', { gate, ticks: 0 })

  let events = 0
  let finalAt = Number.NaN
  let connected = () => {}
  const started = new Promise<void>((resolve) => {
    connected = resolve
  })
  const streamed = readStream(port, `/api/tasks/${taskId}/stream`, (count) => {
    if (count === 0) return
    events += count
    if (events === 1) return connected()
    finalAt = performance.now()
    // Not before: what is answered during a drain is told to close, and would be gone by now.
    half.write(probe.slice(-2))
  })
  await started

  terminate()
  await logged('draining before exit')
  await writeFile(gate, '')

  const [{ code, at }] = await Promise.all([exited, streamed, halfClosed])
  idle.close()
  if (code !== 0 || events !== 2) throw new Error(`lastcall left with ${code} after ${events} events`)
  if (!answer.startsWith('HTTP/1.1 200 ')) console.error(`the request under way got no answer: ${answer}`)
  return at - finalAt
}

const metric = 'to exit, ms'

const lastcall: Contender = {
  name: 'lastcall',
  async setUp() {
    return {
      async measure() {
        const server = start()
        try {
          return { [metric]: await exit(server) }
        } finally {
          server.discard()
        }
      },
      close: async () => {}
    }
  }
}

const closesIdle: Contender = {
  name: 'Fastify and close-with-grace, SIGTERM → exit, idle',
  targets: { [metric]: { max: 3 } },
  async setUp() {
    return {
      async measure() {
        const program = await startPeer('minimal')
        return { [metric]: await program.stop() }
      },
      close: async () => {}
    }
  }
}

export const exitRow: Row = {
  title: 'exit: last task’s final event → exit, with one stream and two keep-alive clients connected',
  contenders: [lastcall, closesIdle]
}
