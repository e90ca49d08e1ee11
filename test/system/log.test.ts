/** A log that nobody takes costs lines, and nothing else. */
import { execFileSync, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { program } from '../build-age.ts'
import { programNode, startServer } from '../helper.ts'
import { freePort } from '../redis.ts'

t.setTimeout(180_000)

// Far more than a pipe and the lines that are kept for a slow reader hold; a worker is held to 5,000 lines a second.
const printed = { inline: 60_000, thread: 10_000, process: 10_000 }
const isolations = ['inline', 'thread', 'process'] as const
const types = Object.fromEntries(
  isolations.map((isolation) => [
    `${isolation}.mjs`,
    `export default {
      type: '${isolation}', description: 'Prints.', isolation: '${isolation}',
      input: { type: 'object', properties: { lines: { type: 'integer' } } },
      async run ({ lines }) {
        for (let n = 0; n < lines; n++) {
          console.log('a line of about a hundred characters, so that sixty thousand of them are six megabytes, number ' + n)
          if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
        }
        return lines
      }
    }`
  ])
)

/** The program with another standard output than a pipe that is read. */
async function startWith(t: Test, stdio: StdioOptions, env: Record<string, string> = {}) {
  const dir = t.testdir({ types })
  const port = await freePort()
  const child = spawn(programNode, [fileURLToPath(program)], {
    env: {
      PATH: process.env.PATH ?? '',
      HOST: '127.0.0.1',
      PORT: String(port),
      TASK_STORE_URL: `sqlite:${join(dir, 'tasks.db')}`,
      TASKS_DIR: join(dir, 'types'),
      ...env
    },
    stdio
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const url = `http://127.0.0.1:${port}`
  while ((await fetch(`${url}/readyz`).catch(() => undefined))?.status !== 200) await sleep(20)
  const get = async (path: string) => (await fetch(url + path)).text()
  /** Runs a task to its end, and resolves with the status that it ended in. */
  const run = async (type: string, lines: number): Promise<string> => {
    const started = await fetch(`${url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type, input: { lines } })
    })
    const { taskId } = (await started.json()) as { taskId: string }
    await get(`/api/tasks/${taskId}/stream`) // until its final event
    return JSON.parse(await get(`/api/tasks/${taskId}`)).status
  }
  /** SIGTERM, and the exit code with the time that it took in milliseconds. */
  const stop = async () => {
    const signalled = performance.now()
    child.kill('SIGTERM')
    const [code] = await exited
    return { code, ms: performance.now() - signalled }
  }
  return { child, get, run, stop }
}

const lostLines = (metrics: string) => Number(/^process_log_lines_lost_total (\d+)$/m.exec(metrics)?.[1])
const memoryMiB = (pid: number | undefined) =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** Tasks of all kinds print more than anybody keeps; the service serves, loses lines, counts them, and exits in its time. */
async function printAndExit(t: Test, server: Awaited<ReturnType<typeof startWith>>) {
  const before = memoryMiB(server.child.pid)
  for (const isolation of isolations) {
    t.equal(await server.run(isolation, printed[isolation]), 'completed', `${isolation} tasks print and end`)
    t.equal(await server.get('/healthz'), 'alive')
  }
  t.ok(lostLines(await server.get('/metrics')) > 0, 'lines are lost and counted')
  const grown = memoryMiB(server.child.pid) - before
  t.ok(grown < 200, `memory grew by ${Math.round(grown)} MiB`)
  const { code, ms } = await server.stop()
  t.equal(code, 0)
  t.ok(ms < 2_000, `it exits in its time: ${Math.round(ms)} ms`)
}

t.test('a log on a full disk', async (t) => {
  const full = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(full))
  await printAndExit(t, await startWith(t, ['ignore', full, full]))
})

t.test('a log whose reader is alive and reads nothing', async (t) => {
  // Nobody reads a pipe of spawn() before it is asked for.
  await printAndExit(t, await startWith(t, ['ignore', 'pipe', 'pipe']))
})

t.test('a log whose reader died', async (t) => {
  const server = await startWith(t, ['ignore', 'pipe', 'pipe'])
  server.child.stdout?.destroy()
  server.child.stderr?.destroy()
  await printAndExit(t, server)
})

const mayMount = process.getuid?.() === 0
t.test(
  'a log in a file whose disk becomes full goes on when there is room again, and says what was lost',
  { skip: mayMount ? false : 'only root may mount a small disk' },
  async (t) => {
    const disk = mkdtempSync(join(tmpdir(), 'log-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk])
    t.teardown(() => {
      execFileSync('umount', ['-l', disk])
      rmdirSync(disk)
    })
    const file = join(disk, 'log')
    const log = openSync(file, 'a')
    t.teardown(() => closeSync(log))
    const server = await startWith(t, ['ignore', log, log])
    t.equal(await server.run('inline', printed.inline), 'completed')
    t.ok(statSync(file).size <= 256 * 1024)
    t.ok(lostLines(await server.get('/metrics')) > printed.inline / 2)

    execFileSync('truncate', ['-s', '0', file])
    t.equal(await server.run('inline', 1), 'completed')
    t.equal((await server.stop()).code, 0)
    const text = readFileSync(file, 'utf8')
    t.match(text, /"lost":\d+,"msg":"log lines were lost"/)
    t.match(text, /"msg":"shutdown complete"/)
    for (const line of text.trim().split('\n').slice(1)) t.doesNotThrow(() => JSON.parse(line), line)
  }
)

t.test('what inline tasks print is a line of the log, with the task', async (t) => {
  const dir = t.testdir(types)
  const server = await startServer(t, { TASK_STORE_URL: 'sqlite::memory:', TASKS_DIR: dir })
  const started = await fetch(`${server.url}/api/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'inline', input: { lines: 1 } })
  })
  const { taskId } = (await started.json()) as { taskId: string }

  t.match(await server.logged(({ msg }) => msg.startsWith('a line of about')), {
    taskId,
    type: 'inline',
    attempt: 1,
    stream: 'stdout'
  })
})
