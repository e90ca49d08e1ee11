import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readSync,
  writeSync
} from 'node:fs'
import type { DatabaseSyncInstance } from '@photostructure/sqlite'

/** Commits go to the log; a checkpoint copies it into the database file. */
export interface WriteAheadLog {
  /** Calls back, later, when all that was committed before the call is durable. */
  sync(done: (error: Error | null) => void): void
  /**
   * Writes the log over itself, for use after a failed `sync`: the kernel reports pages that it could not write only once,
   * and takes them for written from then on.
   */
  rewrite(): void
  /** How many pages a checkpoint would have to look at. */
  pages(): number
  /** All that was committed must be durable before: a checkpoint may overwrite pages of which only the log has the new state. */
  checkpoint(): void
}

const rewrittenAtOnce = 1024 * 1024

/**
 * The log of an open database, which is one and the same file until the database is closed. Nothing but this syncs commits
 * and makes checkpoints: SQLite itself would do both inside a commit, and make a checkpoint of a log whose sync has failed.
 * Undefined for a database in memory.
 */
export function openLog(db: DatabaseSyncInstance): (WriteAheadLog & { close(): void }) | undefined {
  const path = db.location()
  if (!path) return undefined
  db.exec('PRAGMA wal_autocheckpoint = 0')
  const log = openSync(`${path}-wal`, 'r+')
  const pages = db.prepare('PRAGMA wal_checkpoint(NOOP)')
  return {
    sync: (done) => fdatasync(log, done),
    rewrite: () => rewrite(log),
    pages: () => pages.get()?.log ?? 0,
    checkpoint: () => db.exec('PRAGMA wal_checkpoint(PASSIVE)'),
    close: () => closeSync(log)
  }
}

/** Makes the log durable that another process left, if there is one. SQLite must have locked the database. */
export function rewriteLog(path: string): void {
  if (!existsSync(path)) return
  const log = openSync(path, 'r+')
  try {
    rewrite(log)
    fdatasyncSync(log)
  } finally {
    closeSync(log)
  }
}

/** In one go: what SQLite writes meanwhile must not be overwritten by what was read before. */
function rewrite(log: number): void {
  const { size } = fstatSync(log)
  const buffer = Buffer.allocUnsafe(Math.min(size, rewrittenAtOnce))
  for (let position = 0; position < size; ) {
    const length = readSync(log, buffer, 0, buffer.length, position)
    if (length === 0) return
    for (let written = 0; written < length; )
      written += writeSync(log, buffer, written, length - written, position + written)
    position += length
  }
}

/** What is thrown, if anything is. */
export function errorOf(run: () => void): Error | null {
  try {
    run()
    return null
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
