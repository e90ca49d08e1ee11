/** What a process did to its files, recorded call by call, and what a kill or a power loss at any moment leaves of it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { seededRandom } from './random.ts'

export interface Operation {
  /** A sync begins (`syncing`) and succeeds, or fails (`lost`); `offset` is then its number. */
  kind: 'mkdir' | 'create' | 'unlink' | 'write' | 'truncate' | 'syncing' | 'sync' | 'lost'
  path: string
  offset: number
  data: Buffer
  /** The operation, by its index, from which on this one is on the disk. */
  syncedBy: number
}

/** Files by path; `folder` stands for the contents of a folder. */
export type Image = Map<string, Buffer | 'folder'>

const sector = 512

/** Builds the library to preload, in a scratch folder. */
export function buildRecorder(scratch: string): string {
  const library = join(scratch, 'recorder.so')
  const source = fileURLToPath(new URL('./recorder.c', import.meta.url))
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-pthread', '-o', library, source, '-ldl'])
  return library
}

/** Runs a Node program until it kills itself, and returns what it did to the files below a folder. */
export function recordFiles(
  scratch: string,
  folder: string,
  args: readonly string[],
  faults: { FAIL_SYNCS?: string; NO_SYNC?: string } = {}
): Operation[] {
  const record = join(scratch, 'record')
  writeFileSync(record, '')
  const { signal, stderr } = spawnSync(process.execPath, args, {
    env: { ...process.env, LD_PRELOAD: buildRecorder(scratch), RECORDED: folder, RECORD: record, ...faults },
    encoding: 'utf8'
  })
  if (signal !== 'SIGKILL') throw new Error(stderr)
  return parse(readFileSync(record))
}

function parse(record: Buffer): Operation[] {
  const operations: Operation[] = []
  for (let at = 0; at < record.length; ) {
    const end = record.indexOf('\n', at)
    const [kind, offset, bytes, ...path] = record.toString('utf8', at, end).split(' ')
    const length = kind === 'write' ? Number(bytes) : 0
    operations.push({
      kind: kind as Operation['kind'],
      path: path.join(' '),
      offset: Number(offset),
      data: record.subarray(end + 1, end + 1 + length),
      syncedBy: Number.POSITIVE_INFINITY
    })
    at = end + 1 + (kind === 'write' ? length + 1 : 0)
  }
  findSyncs(operations)
  return operations
}

/** A sync covers what was done before it began, unless an earlier one has failed to write it. */
function findSyncs(operations: readonly Operation[]): void {
  const unsynced = new Map<string, Operation[]>()
  const covered = new Map<number, Operation[]>()
  for (const [index, operation] of operations.entries()) {
    const { kind, path, offset: id } = operation
    if (kind === 'syncing') covered.set(id, unsynced.get(path) ?? [])
    if (kind === 'sync') for (const one of covered.get(id) ?? []) one.syncedBy = Math.min(one.syncedBy, index)
    if (kind === 'sync' || kind === 'lost') {
      const done = new Set(covered.get(id))
      unsynced.set(path, unsynced.get(path)?.filter((one) => !done.has(one)) ?? [])
    }
    if (kind === 'syncing' || kind === 'sync' || kind === 'lost') continue
    // A new file's entry is in its folder.
    const what = kind === 'write' || kind === 'truncate' ? path : dirname(path)
    unsynced.set(what, [...(unsynced.get(what) ?? []), operation])
  }
}

/** What a kill leaves after so many operations: all that was done, because the kernel has it. */
export function killedAfter(before: Image, operations: readonly Operation[]): Image {
  const disk = new Disk(before)
  for (const operation of operations) disk.apply(operation)
  return disk.image()
}

/**
 * What a power loss leaves before the operation of that index: all that was synced, and of the rest what `keep` says, in whatever order; some writes are torn,
 * each of their sectors then kept by chance. An entry in a folder is safe when the folder is synced, or kept by chance.
 */
export function lostPowerAfter(
  before: Image,
  operations: readonly Operation[],
  moment: number,
  { next }: ReturnType<typeof seededRandom>,
  keep: number
): Image {
  const disk = new Disk(before)
  for (const operation of operations.slice(0, moment)) {
    if (operation.syncedBy < moment) disk.apply(operation)
    else if (operation.kind === 'write' && keep > 0 && keep < 1 && next() < 0.3)
      disk.apply(operation, () => next() < keep)
    else if (next() < keep) disk.apply(operation)
  }
  return disk.image()
}

/** Files that grow in place: a copy of a log for each write to it would take minutes. */
class Disk {
  readonly #files = new Map<string, { bytes: Buffer; size: number } | 'folder'>()

  constructor(image: Image) {
    for (const [path, content] of image)
      this.#files.set(
        path,
        content === 'folder' ? content : { bytes: Buffer.from(content), size: content.length }
      )
  }

  /** `keeps` says of each sector of a write whether it reaches the disk. */
  apply({ kind, path, offset, data }: Operation, keeps = () => true): void {
    const file = this.#files.get(path)
    if (kind === 'mkdir') this.#files.set(path, 'folder')
    else if (kind === 'create') this.#files.set(path, file ?? { bytes: Buffer.alloc(0), size: 0 })
    else if (kind === 'unlink') this.#files.delete(path)
    // Without its entry a file is gone, whatever was written to it.
    else if (file === undefined || file === 'folder') return
    else if (kind === 'truncate') resize(file, offset)
    else if (kind === 'write') {
      for (let from = offset; from < offset + data.length; ) {
        const to = Math.min(offset + data.length, (Math.floor(from / sector) + 1) * sector)
        if (keeps()) {
          if (file.size < to) resize(file, to)
          data.copy(file.bytes, from, from - offset, to - offset)
        }
        from = to
      }
    }
  }

  image(): Image {
    return new Map(
      [...this.#files].map(([path, file]) => [
        path,
        file === 'folder' ? file : file.bytes.subarray(0, file.size)
      ])
    )
  }
}

function resize(file: { bytes: Buffer; size: number }, size: number): void {
  if (size > file.bytes.length) {
    const bytes = Buffer.alloc(Math.max(size, file.bytes.length * 2))
    file.bytes.copy(bytes, 0, 0, file.size)
    file.bytes = bytes
  }
  if (size < file.size) file.bytes.fill(0, size, file.size)
  file.size = size
}

/** Writes an image of one folder's files into another folder. */
export function writeImage(image: Image, from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  for (const [path, content] of image) {
    const target = join(to, path.slice(from.length))
    if (content === 'folder') mkdirSync(target, { recursive: true })
    else {
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, content)
    }
  }
}
