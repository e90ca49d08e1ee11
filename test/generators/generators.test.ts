import { execFile } from 'node:child_process'
import { copyFile, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { emptyFolder, run, tsc } from '../pack.ts'

t.setTimeout(120_000)

const here = fileURLToPath(new URL('.', import.meta.url))
const description = fileURLToPath(new URL('../../openapi.json', import.meta.url))

const installed = await stat(join(here, 'node_modules')).catch(() => undefined)
// In CI they must be there.
const skip = !installed && !process.env.CI && 'npm --prefix test/generators ci --ignore-scripts'

/** Runs the program of one of the packages here; nothing that it would report leaves this machine. */
async function generate(dir: string, name: string, args: string[], node = process.execPath): Promise<string> {
  const folder = join(here, 'node_modules', name)
  const { bin } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const [program = ''] = typeof bin === 'string' ? [bin] : Object.values<string>(bin)
  const quiet = [
    '-u',
    'NODE_OPTIONS',
    'REDOCLY_TELEMETRY=off',
    'REDOCLY_SUPPRESS_UPDATE_NOTICE=true',
    'CI=true'
  ]
  const { stdout, stderr } = await promisify(execFile)(
    'env',
    [...quiet, node, join(folder, program), ...args],
    {
      cwd: dir
    }
  )
  return stdout + stderr
}

/** Compiles what was generated together with a use of it. */
async function compile(t: Test, dir: string, use: string) {
  await copyFile(join(here, 'uses', use), join(dir, use))
  const options = '--noEmit --strict --target es2022 --module nodenext --lib es2022,dom,dom.iterable --types'
  const more = ['', '--allowImportingTsExtensions', '--skipLibCheck', use]
  const { stdout } = await run(tsc, [...options.split(' '), ...more], dir).catch((error) => error)
  t.equal(stdout, '')
}

t.test('redocly finds no error in the description', { skip }, async (t) => {
  t.match(await generate(await emptyFolder(t), '@redocly/cli', ['lint', description]), /description is valid/)
})

t.test(
  'openapi-typescript makes types of it that compile, and that refuse a wrong input',
  { skip },
  async (t) => {
    const dir = await emptyFolder(t)
    // Else what has a default would have to be sent.
    const options = ['--default-non-nullable', 'false']
    await generate(dir, 'openapi-typescript', [description, '-o', 'types.ts', ...options])
    await compile(t, dir, 'openapi-typescript.ts')
  }
)

// It needs Node 22.18; CI names one.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const newerNode =
  major > 22 || (major === 22 && minor >= 18) ? process.execPath : process.env.LASTCALL_NEWER_NODE
const needsNewer =
  !newerNode && !process.env.CI && 'LASTCALL_NEWER_NODE names no Node of version 22.18 or later'

t.test('@hey-api/openapi-ts makes a client of it that compiles', { skip: skip || needsNewer }, async (t) => {
  const dir = await emptyFolder(t)
  await generate(dir, '@hey-api/openapi-ts', ['-i', description, '-o', 'sdk'], newerNode)
  await compile(t, dir, 'openapi-ts.ts')
})
