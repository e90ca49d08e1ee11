import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { TaskPage } from '../../src/task.ts'
import { startServer } from '../helper.ts'
import { taskFiles } from '../task-files.ts'
import { refusedStart } from './refused-start.ts'

t.setTimeout(240_000)
t.jobs = 2

// Offsets in the header of a SQLite file: https://sqlite.org/fileformat.html#the_database_header
const userVersion = 60
const applicationId = 68

/** Paths and bytes of all files in a folder. */
async function contents(dir: string): Promise<Record<string, string>> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(
    await Promise.all(files.sort().map(async (file) => [file, (await readFile(file)).toString('base64')]))
  )
}

const taskTypes = taskFiles('hold')
const typesDir = t.testdir({ types: taskTypes, SIGTERM: {}, SIGKILL: {} })
const accepted = 100

const envOf = (path: string) => ({
  TASK_STORE_URL: `sqlite:${path}`,
  TASKS_DIR: join(typesDir, 'types'),
  GRACEFUL_SHUTDOWN_TIMEOUT: '0'
})

async function post(url: string): Promise<number> {
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ type: 'hold', input: {} })
  return (await fetch(`${url}/api/tasks`, { method: 'POST', headers, body })).status
}

/** The folder of a store that the program made, which holds tasks, as a signal left it. */
async function makeStore(signal: 'SIGTERM' | 'SIGKILL'): Promise<string> {
  const dir = join(typesDir, signal)
  const server = await startServer(t, envOf(join(dir, 'tasks.db')))
  for (let n = 0; n < accepted; n++) await post(server.url)
  server.child.kill(signal)
  await server.exited
  return dir
}
const left = { SIGTERM: await makeStore('SIGTERM'), SIGKILL: await makeStore('SIGKILL') }

/** The path of a copy of such a store. */
async function leftBy(signal: 'SIGTERM' | 'SIGKILL', t: Test): Promise<string> {
  const dir = t.testdir({})
  await cp(left[signal], dir, { recursive: true })
  return join(dir, 'tasks.db')
}

async function patch(path: string, offset: number, bytes: Buffer): Promise<void> {
  const file = await readFile(path)
  bytes.copy(file, offset)
  await writeFile(path, file)
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

t.test('a second process says who uses the file and leaves it alone; the first goes on', async (t) => {
  const dir = t.testdir({})
  const env = envOf(join(dir, 'tasks.db'))
  const first = await startServer(t, env)
  t.equal(await post(first.url), 202)
  const before = await contents(dir)

  const message = await refusedStart(t, env)

  t.match(message, /tasks\.db is in use by process/)
  t.match(message, new RegExp(`process ${first.child.pid} on `))
  t.strictSame(await contents(dir), before, 'not a byte has changed')
  t.equal(await post(first.url), 202)
  t.equal(await (await fetch(`${first.url}/readyz`)).text(), 'ok')
})

t.test('a file that is left by a kill is free again', async (t) => {
  const server = await startServer(t, envOf(await leftBy('SIGKILL', t)))
  const page = await (await fetch(`${server.url}/api/tasks?limit=200`)).json()
  t.equal((page as TaskPage).tasks.length, accepted)
})

const damages: { what: string; damage: (path: string) => Promise<void>; message: RegExp }[] = [
  {
    what: 'a newer database',
    damage: (path) => patch(path, userVersion, uint32(999)),
    message: /tasks\.db was written by a newer lastcall .*999/
  },
  {
    what: 'a database of another application',
    damage: (path) => patch(path, applicationId, uint32(0x0f055112)),
    message: /tasks\.db belongs to another application/
  },
  {
    what: 'a database that names no application',
    damage: async (path) => {
      // Where the log beside the file says whose it is, SQLite would take that for the truth.
      await rm(`${path}-wal`, { force: true })
      await patch(path, applicationId, uint32(0))
    },
    message: /tasks\.db belongs to another application/
  },
  {
    what: 'a text file',
    damage: (path) => writeFile(path, `${'This is no database. '.repeat(100)}\n`),
    message: /tasks\.db is not a SQLite database/
  },
  {
    what: 'a file of a few bytes',
    damage: (path) => truncate(path, 50),
    message: /tasks\.db is not a SQLite database/
  },
  {
    what: 'a truncated database',
    damage: async (path) => truncate(path, Math.floor((await readFile(path)).length / 2)),
    message: /tasks\.db is corrupt/
  },
  {
    what: 'a database with overwritten pages',
    damage: (path) => patch(path, 4096, Buffer.alloc(8 * 4096, 0xa5)),
    message: /tasks\.db is corrupt/
  }
]

for (const { what, damage, message } of damages) {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    t.test(`${what} left by ${signal} is refused and left alone`, async (t) => {
      const path = await leftBy(signal, t)
      await damage(path)
      const before = await contents(t.testdirName)

      t.match(await refusedStart(t, envOf(path)), message)

      t.strictSame(await contents(t.testdirName), before, 'not a byte has changed')
    })
  }
}

t.test('a directory as path is refused', async (t) => {
  const path = join(t.testdir({}), 'tasks.db')
  await mkdir(path)
  t.match(await refusedStart(t, envOf(path)), /tasks\.db .*directory/)
})

t.test('a path below a file is refused', async (t) => {
  const dir = t.testdir({ file: 'text' })
  const path = join(dir, 'file', 'tasks.db')
  t.match(await refusedStart(t, envOf(path)), /tasks\.db cannot be opened/)
  t.equal(await readFile(join(dir, 'file'), 'utf8'), 'text')
})

for (const sync of ['full', 'normal']) {
  t.test(
    `with STORE_SYNC=${sync} ${sync === 'full' ? 'each answer has' : 'no answer has'} waited for the disk`,
    async (t) => {
      const dir = t.testdir({})
      const trace = join(dir, 'trace.log')
      const server = await startServer(t, {
        ...envOf(join(dir, 'tasks.db')),
        STORE_SYNC: sync,
        // What Node itself asks the file system for, in place and in its threads; SQLite's own syncs are not among that.
        NODE_OPTIONS: `--trace-event-categories node.fs.sync,node.fs.async --trace-event-file-pattern ${trace}`
      })
      const tasks = 5
      for (let n = 0; n < tasks; n++) t.equal(await post(server.url), 202)
      server.child.kill('SIGTERM')
      await server.exited

      const begun =
        (await readFile(trace, 'utf8')).match(/"ph":"[Bb]"[^}]*"name":"(fs\.sync\.)?fdatasync"/g) ?? []
      if (sync === 'full') t.ok(begun.length >= tasks, `${begun.length} syncs`)
      else t.equal(begun.length, 0)
    }
  )
}
