/** The database file as it is found: whether it is a store of ours, before SQLite touches it. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync
} from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite'
import { StartError } from '../errors.ts'
import { applicationId, migrations } from './migrations.ts'

const headerBytes = 100
// Files that SQLite keeps a change in until it is in the database file.
const journals = ['-journal', '-wal']
// No store that is being made is larger, together with these.
const unfinishedBytes = 16 * 1024 * 1024

/**
 * Creates a folder so that it survives a power loss: syncs each parent, up to the mount. Also for a folder that exists, because a
 * killed process may have created it without syncing its parent.
 */
export function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true })
  const { dev } = statSync(path)
  for (let folder = path; dirname(folder) !== folder; folder = dirname(folder)) {
    const parent = openFolder(dirname(folder))
    if (parent === undefined) return
    try {
      // Beyond a mount nothing was made.
      if (fstatSync(parent).dev !== dev) return
      fsyncSync(parent)
    } finally {
      closeSync(parent)
    }
  }
}

/** Undefined for a folder that this user cannot read, and so has not created anything in. */
function openFolder(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch {
    return undefined
  }
}

/** Checks the file before SQLite opens it, which would already change it or create files beside it. */
export function checkFile(path: string): void {
  const header = readHeader(path)
  if (header.length === 0) return
  const isDatabase =
    header.length === headerBytes && header.toString('latin1').startsWith('SQLite format 3\0')
  // Offsets of user_version and application_id: https://sqlite.org/fileformat.html#the_database_header
  const application = isDatabase ? header.readUInt32BE(68) : 0
  const isUnnamed = application === 0 && (isDatabase || header.every((byte) => byte === 0))
  if (isUnnamed && sizeWithJournals(path) <= unfinishedBytes) {
    checkCopy(path)
  } else {
    if (!isDatabase) throw new StartError(`${path} is not a SQLite database, or it is corrupt`)
    checkIdentity(path, application, header.readUInt32BE(60))
  }
}

function sizeWithJournals(path: string): number {
  const sizeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0
  return journals.reduce((sum, suffix) => sum + sizeOf(path + suffix), sizeOf(path))
}

/**
 * Tells what has become of files that are open: what is written to one that was deleted or replaced is gone with the
 * process. Undefined as long as all are in their places.
 */
export function watchFiles(paths: readonly string[]): () => Promise<string | undefined> {
  const files = paths.map((path) => ({ path, opened: statSync(path) }))
  return async () => {
    for (const { path, opened } of files) {
      try {
        const { dev, ino } = await stat(path)
        if (dev !== opened.dev || ino !== opened.ino) return `${path} was replaced by another file`
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return `${path} was deleted`
        return `${path} cannot be found: ${error instanceof Error ? error.message : error}`
      }
    }
    return undefined
  }
}

function readHeader(path: string): Buffer {
  const header = Buffer.alloc(headerBytes)
  try {
    const file = openSync(path, 'r')
    try {
      return header.subarray(0, readSync(file, header))
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return header.subarray(0, 0)
    throw error
  }
}

/**
 * A process that is killed while it makes or changes a database leaves the truth in the files beside it, for SQLite to
 * find. It does so on a copy: the database may not be ours.
 */
function checkCopy(path: string): void {
  const folder = mkdtempSync(join(dirname(path), '.lastcall-'))
  const copy = join(folder, 'copy')
  try {
    for (const suffix of ['', ...journals])
      if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix)
    const db = new DatabaseSync(copy, { timeout: 0 })
    try {
      if (!isEmpty(db)) checkIdentity(path, pragma(db, 'application_id'), pragma(db, 'user_version'))
    } finally {
      db.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export function checkIdentity(path: string, application: number, version: number): void {
  if (application !== applicationId) throw new StartError(`${path} belongs to another application`)
  if (version > migrations.length) {
    throw new StartError(
      `${path} was written by a newer lastcall (its schema is ${version}, this one knows ${migrations.length})`
    )
  }
}

export function isEmpty(db: DatabaseSyncInstance): boolean {
  const isNamed = pragma(db, 'application_id') !== 0 || pragma(db, 'user_version') !== 0
  return !isNamed && db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined
}

export function pragma(db: DatabaseSyncInstance, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}
