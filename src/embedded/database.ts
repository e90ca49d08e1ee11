import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite'
import { StartError } from '../errors.ts'
import { checkFile, checkIdentity, isEmpty, makeFolder, pragma } from './database-file.ts'
import { type Disk, errorOf } from './group-commit.ts'
import { applicationId, migrations } from './migrations.ts'

const memory = ':memory:'
// A full check reads every page: 0.1 s for 64 MiB, too long for a restart beyond that.
const checkedBytes = 64 * 1024 * 1024
// A thread costs a request 10 µs of CPU and a lone write 0.1 ms; the event loop may stand still for so long.
const quickMs = 1

/**
 * Opens the database file for this process alone and brings its schema up to date.
 * Throws a StartError, with the file untouched, if it is in use, newer, corrupt, not ours or not writable.
 */
export function openDatabase(location: string): DatabaseSyncInstance {
  const path = location === memory ? memory : resolve(location)
  try {
    if (path !== memory) {
      makeFolder(dirname(path))
      checkFile(path)
    }
    const db = new DatabaseSync(path, { timeout: 0 })
    try {
      prepare(db, path)
      return db
    } catch (error) {
      db.close()
      throw error
    }
  } catch (error) {
    throw error instanceof StartError ? error : new StartError(explain(path, error), { cause: error })
  }
}

/** Leaves one plain file, and lets go of it. If that fails, what was committed is still in the file and its log. */
export function closeDatabase(db: DatabaseSyncInstance): void {
  const path = db.location()
  try {
    if (!path) return
    if (existsSync(ownerFile(path))) unlinkSync(ownerFile(path))
    // The driver keeps a closed database locked until its statements are collected as garbage; this unlocks it now.
    // Not DELETE: the one change left is two bytes of the header, for which a journal file would cost four more fsyncs.
    db.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = NORMAL')
    db.prepare('SELECT 1 FROM sqlite_schema').get()
  } finally {
    db.close()
  }
}

/**
 * The disk under the database's write-ahead log, which is one and the same file until the database is closed. The same
 * that SQLite does at each commit with `synchronous = FULL`, but a slow disk is waited for in a thread of libuv's.
 * Undefined for a database in memory.
 */
export function openLog(db: DatabaseSyncInstance): (Disk & { close(): void }) | undefined {
  const path = db.location()
  if (!path) return undefined
  const log = openSync(`${path}-wal`, 'r')
  let isQuick = false
  const sync = (done: (error: Error | null) => void) => {
    const startedAt = performance.now()
    const finish = (error: Error | null) => {
      isQuick = performance.now() - startedAt < quickMs
      done(error)
    }
    if (isQuick) finish(errorOf(() => fdatasyncSync(log)))
    else fdatasync(log, finish)
  }
  // Into the database file, which is synced.
  const syncAll = () => db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  return { sync, syncAll, close: () => closeSync(log) }
}

function prepare(db: DatabaseSyncInstance, path: string): void {
  // Set before the first access: SQLite then keeps the file locked until this process ends, however it ends.
  db.exec('PRAGMA locking_mode = EXCLUSIVE')
  if (isEmpty(db)) {
    // By a rollback journal: whatever happens meanwhile, the file is a whole store or, to SQLite, empty.
    db.exec('PRAGMA synchronous = EXTRA')
    migrate(db)
  } else {
    checkIdentity(path, pragma(db, 'application_id'), pragma(db, 'user_version'))
    if (path !== memory && statSync(path).size <= checkedBytes) checkPages(db, path)
  }
  // A commit then is durable once the log is synced: openLog. SQLite itself would hold up the event loop for that.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864')
  migrate(db)
  if (path === memory) return
  // checkFile of a later process reads the main file first.
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  const owner = { pid: process.pid, host: hostname(), since: new Date().toISOString() }
  writeFileSync(ownerFile(path), `${JSON.stringify(owner)}\n`)
}

/** All changes that are missing, in one transaction. */
function migrate(db: DatabaseSyncInstance): void {
  db.exec(`BEGIN IMMEDIATE; PRAGMA application_id = ${applicationId}`)
  for (const migration of migrations.slice(pragma(db, 'user_version'))) db.exec(migration)
  db.exec(`PRAGMA user_version = ${migrations.length}; COMMIT`)
}

function checkPages(db: DatabaseSyncInstance, path: string): void {
  const verdict = Object.values(db.prepare('PRAGMA quick_check(1)').get() ?? {})[0]
  if (verdict !== 'ok') throw new StartError(`${path} is corrupt: ${verdict}`)
}

const ownerFile = (path: string) => `${path}.owner`

/** SQLite's primary result codes, https://sqlite.org/rescode.html */
const BUSY = 5
const CORRUPT = 11
const NOTADB = 26

function explain(path: string, error: unknown): string {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
  const message = error instanceof Error ? error.message : String(error)
  if (code === BUSY) return `${path} is in use by ${readOwner(path)}; two processes must not share one file`
  if (code === CORRUPT || code === NOTADB) return `${path} is corrupt: ${message}`
  return `${path} cannot be opened for writing: ${message}`
}

function readOwner(path: string): string {
  try {
    const { pid, host, since } = JSON.parse(readFileSync(ownerFile(path), 'utf8'))
    return `process ${pid} on ${host} since ${since}`
  } catch {
    return 'another process'
  }
}
