/** What users install: packages as `npm pack` makes them, in a folder that is not in this repository. */
import { execFile } from 'node:child_process'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Test } from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Runs a program in a folder and resolves with what it printed; without the hooks that tap puts into every child's Node. */
export const run = (program: string, args: readonly string[], cwd: string) =>
  promisify(execFile)('env', ['-u', 'NODE_OPTIONS', program, ...args], { cwd })

export const tsc = join(root, 'node_modules/.bin/tsc')

/** An empty folder outside this repository, so that nothing is found in it by chance. */
export async function emptyFolder(t: Test): Promise<string> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'lastcall-')))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}

/** Packs a package of this repository and installs it from the file, without asking a registry for anything. */
export async function installPacked(dir: string, folder = '.'): Promise<void> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', dir], join(root, folder))
  const [{ filename }]: [{ filename: string }] = JSON.parse(stdout)
  await run('npm', ['init', '--yes', '--init-type', 'module'], dir)
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${filename}`], dir)
}
