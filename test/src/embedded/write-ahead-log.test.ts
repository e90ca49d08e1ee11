import { existsSync, readFileSync, statSync } from 'node:fs'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { closeDatabase, openDatabase } from '../../../src/embedded/database.ts'
import { openLog, rewriteLog } from '../../../src/embedded/write-ahead-log.ts'

t.test('commits stay in the log, however large it is, until a checkpoint is asked for', async (t) => {
  const path = join(t.testdir(), 'tasks.db')
  const db = openDatabase(path)
  const log = openLog(db)
  if (!log) throw new Error('a file has a log')
  const before = readFileSync(path)
  db.exec('CREATE TABLE facts (text TEXT)')
  const insert = db.prepare('INSERT INTO facts VALUES (?)')
  for (let n = 0; n < 1_500; n++) insert.run('x'.repeat(4_000))

  t.ok(log.pages() > 1_500, `${log.pages()} pages, more than SQLite itself lets gather`)
  t.ok(readFileSync(path).equals(before), 'nothing of them is in the database file')
  t.equal(await new Promise((resolve) => log.sync(resolve)), null)
  log.checkpoint()
  t.ok(statSync(path).size > 6_000_000, 'now all are')

  log.close()
  closeDatabase(db)
  t.notOk(existsSync(`${path}-wal`))
})

t.test('a log that is written over itself is the same log', async (t) => {
  const path = join(t.testdir(), 'tasks.db')
  const db = openDatabase(path)
  const log = openLog(db)
  if (!log) throw new Error('a file has a log')
  db.exec('CREATE TABLE facts (text TEXT)')
  // Larger than what is written at once.
  for (let n = 0; n < 400; n++) db.prepare('INSERT INTO facts VALUES (?)').run('x'.repeat(4_000))
  const before = readFileSync(`${path}-wal`)
  t.ok(before.length > 1024 * 1024)

  log.rewrite()
  t.ok(readFileSync(`${path}-wal`).equals(before))
  t.equal(db.prepare('SELECT count(*) AS n FROM facts').get()?.n, 400)
  log.close()
  closeDatabase(db)
})

t.test('the log that a killed process left is read by the next one', async (t) => {
  const dir = t.testdir()
  const path = join(dir, 'tasks.db')
  const db = openDatabase(path)
  const log = openLog(db)
  db.exec(`CREATE TABLE facts (text TEXT); INSERT INTO facts VALUES ('told')`)
  // Its files as a kill leaves them.
  await mkdir(join(dir, 'left'))
  const left = join(dir, 'left', 'tasks.db')
  for (const suffix of ['', '-wal']) await copyFile(path + suffix, left + suffix)
  log?.close()
  closeDatabase(db)

  rewriteLog(`${left}-wal`)
  const next = openDatabase(left)
  t.equal(next.prepare('SELECT text FROM facts').get()?.text, 'told')
  closeDatabase(next)
})

t.test('a store in memory has no log, and one that was closed cleanly needs none', async (t) => {
  t.equal(openLog(openDatabase(':memory:')), undefined)
  t.doesNotThrow(() => rewriteLog(join(t.testdir(), 'tasks.db-wal')))
})
