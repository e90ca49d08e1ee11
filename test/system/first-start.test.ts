import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import { checkDatabase, closeDatabase, openDatabase } from '../../src/embedded/database.ts'
import { applicationId, migrations } from '../../src/embedded/migrations.ts'
import { needsCommand, spawnServer, startServer } from '../helper.ts'
import { type Image, killedAfter, lostPowerAfter, recordFiles, writeImage } from './disk-images.ts'
import { chooseSeed, seededRandom } from './random.ts'

t.setTimeout(240_000)

const seed = chooseSeed()
const skip = needsCommand('gcc')
const images = process.env.LASTCALL_SOAK ? 5_000 : 300
const tasks = 500

/** Makes a store of the first schema, with tasks in it. */
function makeOldStore(path: string): void {
  const db = new DatabaseSync(path)
  db.exec(
    `BEGIN; PRAGMA application_id = ${applicationId}; PRAGMA user_version = 1; ${migrations[0]}; COMMIT`
  )
  const insert = db.prepare(
    `INSERT INTO tasks (seq, task_id, type, status, priority, created_at, ready_at, input)
     VALUES (?, ?, 'work', 'pending', 0, 0, 0, '{}')`
  )
  db.exec('BEGIN')
  for (let n = 1; n <= tasks; n++) insert.run(n, `task ${n}`)
  db.exec('COMMIT')
  db.close()
}

/** What is wrong with a store when it is opened again, if anything is. */
function problemOf(path: string, expectedTasks: number): string | undefined {
  try {
    checkDatabase(path)
    const db = openDatabase(path)
    const { user_version: version } = db.prepare('PRAGMA user_version').get()
    const { n } = db.prepare('SELECT count(*) AS n FROM tasks').get()
    const sound = Object.values(db.prepare('PRAGMA integrity_check').get() ?? {})[0]
    closeDatabase(db)
    if (version === migrations.length && n === expectedTasks && sound === 'ok') return undefined
    return `version ${version}, ${n} tasks, ${sound}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const histories: { what: string; expectedTasks: number; prepare: (dir: string) => void }[] = [
  { what: 'a store is made', expectedTasks: 0, prepare: () => {} },
  {
    what: 'an older store is brought up to date',
    expectedTasks: tasks,
    prepare: (dir) => {
      mkdirSync(dir)
      makeOldStore(join(dir, 'tasks.db'))
    }
  }
]

for (const { what, expectedTasks, prepare } of histories) {
  t.test(
    `while ${what}, process and power may die at every moment (LASTCALL_SEED=${seed})`,
    { skip },
    async (t) => {
      const scratch = t.testdir({})
      const dir = join(scratch, 'data')
      prepare(dir)
      const before: Image = new Map()
      if (expectedTasks > 0)
        for (const name of readdirSync(dir)) before.set(join(dir, name), readFileSync(join(dir, name)))
      const program = fileURLToPath(new URL('./open-store.ts', import.meta.url))
      const operations = recordFiles(scratch, dir, [
        '--import=./test/typescript.mjs',
        program,
        join(dir, 'tasks.db')
      ])
      t.ok(operations.length > 20, `${operations.length} operations`)

      const problems = new Map<string, number>()
      const check = (image: Image, how: string) => {
        const copy = join(scratch, 'copy')
        rmSync(copy, { recursive: true, force: true })
        writeImage(image, dir, copy)
        const problem = problemOf(join(copy, 'tasks.db'), expectedTasks)
        if (problem) problems.set(`${how}: ${problem.replaceAll(scratch, '')}`, (problems.get(how) ?? 0) + 1)
      }

      for (let n = 0; n <= operations.length; n++)
        check(killedAfter(before, operations.slice(0, n)), `killed after operation ${n}`)
      t.strictSame([...problems.keys()].slice(0, 10), [], `${operations.length} kills`)

      problems.clear()
      const random = seededRandom(seed)
      for (let n = 0; n < images; n++) {
        const done = random.below(operations.length + 1)
        const keep = random.pick([0, 0.5, 0.9, 1])
        check(lostPowerAfter(before, operations, done, random, keep), `power lost after ${done}`)
      }
      t.strictSame([...problems.keys()].slice(0, 10), [], `${images} power losses`)
    }
  )
}

/** The folder of a store, as SQLite itself leaves it at a moment that is hard to meet. */
const halfMade: { what: string; make: (path: string) => void }[] = [
  { what: 'an empty file', make: (path) => new DatabaseSync(path).close() },
  {
    what: 'a schema that is only in the write-ahead log',
    make: (path) => {
      const db = new DatabaseSync(path)
      db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL')
      db.exec(`BEGIN; PRAGMA application_id = ${applicationId}; ${migrations.join(';')}`)
      db.exec(`PRAGMA user_version = ${migrations.length}; COMMIT`)
      keepOpen.push(db)
    }
  },
  {
    what: 'nothing but the header of a database',
    make: (path) => {
      const db = new DatabaseSync(path)
      db.exec('PRAGMA journal_mode = WAL')
      db.close()
    }
  },
  {
    what: 'a transaction that was being written into an empty file',
    make: (path) => {
      const db = new DatabaseSync(path)
      db.exec('PRAGMA cache_size = 1; BEGIN')
      for (const migration of migrations) db.exec(migration)
      keepOpen.push(db)
    }
  }
]
const keepOpen: InstanceType<typeof DatabaseSync>[] = []

for (const { what, make } of halfMade) {
  t.test(`a start goes on from ${what}`, async (t) => {
    const dir = t.testdir({ made: {}, left: {} })
    make(join(dir, 'made', 'tasks.db'))
    // As a kill would leave them: the files of a process that still has them open.
    const image: Image = new Map(
      readdirSync(join(dir, 'made')).map((name) => [`/${name}`, readFileSync(join(dir, 'made', name))])
    )
    writeImage(image, '', join(dir, 'left'))

    t.equal(problemOf(join(dir, 'left', 'tasks.db'), 0), undefined, [...image.keys()].join(' '))
  })
}

t.test('a database of another application that is being written is left alone', async (t) => {
  const dir = t.testdir({ made: {}, left: {} })
  const db = new DatabaseSync(join(dir, 'made', 'tasks.db'))
  db.exec('PRAGMA journal_mode = WAL; CREATE TABLE theirs (id); INSERT INTO theirs VALUES (1)')
  const contents = (folder: string) =>
    readdirSync(join(dir, folder)).map((name) => [name, readFileSync(join(dir, folder, name), 'base64')])
  writeImage(
    new Map(
      readdirSync(join(dir, 'made')).map((name) => [`/${name}`, readFileSync(join(dir, 'made', name))])
    ),
    '',
    join(dir, 'left')
  )
  db.close()
  const before = contents('left')

  t.match(problemOf(join(dir, 'left', 'tasks.db'), 0), /belongs to another application/)

  t.strictSame(contents('left'), before)
})

async function killSoon(t: Test, env: Record<string, string>, ms: number): Promise<void> {
  const server = spawnServer(t, env)
  await sleep(ms)
  server.child.kill('SIGKILL')
  await server.exited
}

t.test(`a process that is killed in its very first start starts again (LASTCALL_SEED=${seed})`, async (t) => {
  const random = seededRandom(seed)
  for (let n = 0; n < 3; n++) {
    const env = { TASK_STORE_URL: `sqlite:${join(t.testdir({}), 'data', 'tasks.db')}` }
    // As long as a start takes, the store is made somewhere in it.
    for (let killed = 0; killed < 3; killed++) await killSoon(t, env, 100 + random.below(400))
    const server = await startServer(t, env)
    t.equal(await (await fetch(`${server.url}/readyz`)).text(), 'ok')
    server.child.kill('SIGTERM')
    await server.exited
  }
})
