import { existsSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite'
import { StartError } from '../errors.ts'
import { checkFile, checkIdentity, isEmpty, makeFolder, pragma } from './database-file.ts'
import { applicationId, migrations } from './migrations.ts'
import { rewriteLog } from './write-ahead-log.ts'

const memory = ':memory:'
// A full check reads every page: 0.1 s for 64 MiB, too long for a restart beyond that.
const checkedBytes = 64 * 1024 * 1024

/**
 * Checks a database file and lets go of it again. Throws a StartError, with the file untouched, if it is in use, newer,
 * corrupt or not ours. For the main thread, before the store's: the driver really closes a database when its thread ends,
 * and SQLite then copies the log into a file that was to be left alone.
 */
export function checkDatabase(location: string): void {
  if (location === memory) return
  const path = resolve(location)
  explained(path, () => {
    if (!existsSync(path)) return makeFolder(dirname(path))
    checkFile(path)
    const db = lock(path)
    if (!isEmpty(db)) {
      checkIdentity(path, pragma(db, 'application_id'), pragma(db, 'user_version'))
      if (statSync(path).size <= checkedBytes) checkPages(db, path)
    }
    rewriteLog(`${path}-wal`)
    closeDatabase(db)
  })
}

/**
 * Opens a database file that was checked, for this process alone, and brings its schema up to date. @throws StartError
 */
export function openDatabase(location: string): DatabaseSyncInstance {
  const path = location === memory ? memory : resolve(location)
  return explained(path, () => {
    const db = lock(path)
    try {
      prepare(db, path)
      return db
    } catch (error) {
      db.close()
      throw error
    }
  })
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

/** SQLite keeps the file locked from its first access on, until the process ends, however it ends. */
function lock(path: string): DatabaseSyncInstance {
  const db = new DatabaseSync(path, { timeout: 0 })
  db.exec('PRAGMA locking_mode = EXCLUSIVE')
  return db
}

function prepare(db: DatabaseSyncInstance, path: string): void {
  if (isEmpty(db)) {
    // By a rollback journal: whatever happens meanwhile, the file is a whole store or, to SQLite, empty.
    db.exec('PRAGMA synchronous = EXTRA')
    migrate(db)
  } else {
    checkIdentity(path, pragma(db, 'application_id'), pragma(db, 'user_version'))
  }
  // Before anything is copied from it: a process that was killed after a failed sync left pages that only the kernel has.
  if (path !== memory) rewriteLog(`${path}-wal`)
  // A commit then is durable once the log is synced, which openLog does.
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

function explained<T>(path: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw error instanceof StartError ? error : new StartError(explain(path, error), { cause: error })
  }
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
