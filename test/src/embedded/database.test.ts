import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t from 'tap'
import { checkDatabase, closeDatabase, openDatabase } from '../../../src/embedded/database.ts'
import { migrations } from '../../../src/embedded/migrations.ts'

/** What SQLite itself makes with some SQL. */
function make(path: string, sql: string): void {
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
}

t.test('a store that does not exist gets its folder, and then its schema', async (t) => {
  const path = join(t.testdir(), 'one', 'two', 'tasks.db')
  checkDatabase(path)
  t.notOk(existsSync(path))
  const db = openDatabase(path)
  t.equal(db.prepare('PRAGMA user_version').get()?.user_version, migrations.length)
  t.match(JSON.parse(readFileSync(`${path}.owner`, 'utf8')), { pid: process.pid })

  closeDatabase(db)
  for (const suffix of ['-wal', '-shm', '-journal', '.owner']) t.notOk(existsSync(path + suffix), suffix)
})

t.test('one store is for one process', async (t) => {
  const path = join(t.testdir(), 'tasks.db')
  const db = openDatabase(path)
  const message = new RegExp(`is in use by process ${process.pid} on .+ since `)
  t.throws(() => openDatabase(path), { name: 'StartError', message })

  closeDatabase(db)
  closeDatabase(openDatabase(path))
})

t.test('what is no store of ours is refused, and left as it was', async (t) => {
  const dir = t.testdir()
  const cases: [name: string, prepare: (path: string) => void, message: RegExp][] = [
    [
      'text',
      (path) => writeFileSync(path, 'a text, not a database'),
      /is not a SQLite database, or it is corrupt/
    ],
    [
      'other',
      (path) => make(path, 'PRAGMA application_id = 7; CREATE TABLE t (c)'),
      /belongs to another application/
    ],
    ['unnamed', (path) => make(path, 'CREATE TABLE t (c)'), /belongs to another application/],
    [
      'newer',
      (path) => {
        closeDatabase(openDatabase(path))
        make(path, `PRAGMA user_version = ${migrations.length + 1}`)
      },
      /was written by a newer lastcall/
    ]
  ]
  for (const [name, prepare, message] of cases) {
    const path = join(dir, `${name}.db`)
    prepare(path)
    const before = readFileSync(path)
    t.throws(() => checkDatabase(path), { name: 'StartError', message }, name)
    t.ok(readFileSync(path).equals(before), `${name} is untouched`)
    t.notOk(existsSync(`${path}-wal`))
  }
})

t.test('a corrupt page is found before anything is written', async (t) => {
  const path = join(t.testdir(), 'tasks.db')
  const db = openDatabase(path)
  db.exec(`CREATE TABLE filler (text TEXT)`)
  for (let n = 0; n < 50; n++) db.prepare('INSERT INTO filler VALUES (?)').run('x'.repeat(4_000))
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  closeDatabase(db)
  const bytes = readFileSync(path)
  bytes.fill(0xff, bytes.length - 60_000, bytes.length - 20_000)
  writeFileSync(path, bytes)

  t.throws(() => checkDatabase(path), { name: 'StartError', message: /is corrupt/ })
  t.ok(readFileSync(path).equals(bytes))
})

t.test('each older schema is brought up to date, with its tasks', async (t) => {
  const dir = t.testdir()
  const { application_id } = new DatabaseSync(':memory:').prepare('PRAGMA application_id').get() ?? {}
  t.equal(application_id, 0, 'SQLite names nothing itself')
  const current = join(dir, 'current.db')
  closeDatabase(openDatabase(current))
  const ours = readFileSync(current).readUInt32BE(68)
  const schemaOf = (path: string) => {
    const db = new DatabaseSync(path)
    const rows = db.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all()
    db.close()
    return rows
  }
  const wanted = schemaOf(current)

  for (let version = 1; version < migrations.length; version++) {
    const path = join(dir, `version-${version}.db`)
    make(
      path,
      `PRAGMA application_id = ${ours}; ${migrations.slice(0, version).join(';')}; PRAGMA user_version = ${version}`
    )
    checkDatabase(path)
    closeDatabase(openDatabase(path))
    t.strictSame(schemaOf(path), wanted, `from ${version} to ${migrations.length}`)
  }
})

t.test('an empty file becomes a store, and a copy of a store is one', async (t) => {
  const dir = t.testdir()
  const path = join(dir, 'tasks.db')
  writeFileSync(path, '')
  checkDatabase(path)
  closeDatabase(openDatabase(path))
  t.ok(statSync(path).size > 0)

  await mkdir(join(dir, 'copy'))
  await copyFile(path, join(dir, 'copy', 'tasks.db'))
  t.doesNotThrow(() => checkDatabase(join(dir, 'copy', 'tasks.db')))
})
