/** What a process did to its files, recorded call by call, and what a kill or a power loss at any moment leaves of it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { seededRandom } from './random.ts'

interface Operation {
  kind: 'mkdir' | 'create' | 'unlink' | 'write' | 'truncate' | 'sync'
  path: string
  offset: number
  data: Buffer
}

/** Files by path; `folder` stands for the contents of a folder. */
export type Image = Map<string, Buffer | 'folder'>

const sector = 512

/** Runs a Node program to its end and returns what it did to the files below a folder. */
export function recordFiles(scratch: string, folder: string, args: readonly string[]): Operation[] {
  const library = join(scratch, 'recorder.so')
  const source = fileURLToPath(new URL('./recorder.c', import.meta.url))
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'])
  const record = join(scratch, 'record')
  writeFileSync(record, '')
  const { signal, stderr } = spawnSync(process.execPath, args, {
    env: { ...process.env, LD_PRELOAD: library, RECORDED: folder, RECORD: record },
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
    const data = record.subarray(end + 1, end + 1 + length)
    operations.push({ kind: kind as Operation['kind'], path: path.join(' '), offset: Number(offset), data })
    at = end + 1 + (kind === 'write' ? length + 1 : 0)
  }
  return operations
}

/** What a kill leaves after so many operations: all that was done, because the kernel has it. */
export function killedAfter(before: Image, operations: readonly Operation[]): Image {
  const image = new Map(before)
  for (const operation of operations) apply(image, operation)
  return image
}

/**
 * What a power loss leaves: all that was synced, and of the rest what `keep` says, each write torn at a sector where `tear`
 * says so. An entry in a folder is safe when the folder is synced, or kept by chance.
 */
export function lostPowerAfter(
  before: Image,
  operations: readonly Operation[],
  { next, below }: ReturnType<typeof seededRandom>,
  keep: number
): Image {
  const image = new Map(before)
  const isSynced = ({ kind, path }: Operation, index: number) => {
    const what = kind === 'write' || kind === 'truncate' ? path : dirname(path)
    return operations.some((later, n) => n > index && later.kind === 'sync' && later.path === what)
  }
  for (const [index, operation] of operations.entries()) {
    if (operation.kind === 'sync') continue
    if (isSynced(operation, index)) apply(image, operation)
    else if (next() < keep) {
      const sectors = Math.ceil(operation.data.length / sector)
      const torn = operation.kind === 'write' && keep < 1 && next() < 0.3 ? below(sectors + 1) : sectors
      if (torn > 0 || operation.kind !== 'write')
        apply(image, { ...operation, data: operation.data.subarray(0, torn * sector) })
    }
  }
  return image
}

function apply(image: Image, { kind, path, offset, data }: Operation): void {
  const file = image.get(path)
  if (kind === 'mkdir') image.set(path, 'folder')
  else if (kind === 'create') image.set(path, file ?? Buffer.alloc(0))
  else if (kind === 'unlink') image.delete(path)
  // Without its entry a file is gone, whatever was written to it.
  else if (!Buffer.isBuffer(file)) return
  else if (kind === 'write') {
    const next = Buffer.alloc(Math.max(file.length, offset + data.length))
    file.copy(next)
    data.copy(next, offset)
    image.set(path, next)
  } else if (kind === 'truncate') {
    const next = Buffer.alloc(offset)
    file.copy(next)
    image.set(path, next)
  }
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
