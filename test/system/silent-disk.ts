import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Settings of a service whose store is in memory, where a disk is quick until it is silent: until `calls` do not return. */
export function makeSilentDisk(calls: 'sync' | 'write') {
  const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'silent-disk-'))
  const library = join(scratch, 'silent.so')
  const silent = join(scratch, 'silent')
  const store = join(scratch, 'store')
  const source = fileURLToPath(new URL('./silent-disk.c', import.meta.url))
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'])
  mkdirSync(store)
  return {
    env: {
      TASK_STORE_URL: `sqlite:${join(store, 'tasks.db')}`,
      ...{ LD_PRELOAD: library, SILENT: silent, SILENT_CALLS: calls, STORE: store }
    },
    silence: () => writeFileSync(silent, ''),
    answer: () => rmSync(silent),
    remove: () => rmSync(scratch, { recursive: true, force: true })
  }
}
