import { spawn } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needsCommand, programNode, watchServer } from '../helper.ts'
import { build, type Image, instructionsOf } from './dockerfile.ts'

t.setTimeout(300_000)

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (name: string) => readFile(join(root, name), 'utf8')

const skip =
  process.getuid?.() === 0 || process.env.CI ? needsCommand('setpriv') : 'only root can become another user'

t.test('the image is pinned, runs as a user with a number, and node is its first process', async (t) => {
  const instructions = instructionsOf(await read('Dockerfile'))
  const all = (name: string) => instructions.filter((i) => i[0] === name).map(([, rest]) => rest)
  const images = all('FROM').filter((from) => from.includes(':'))
  for (const image of images) t.match(image, /^node:\d+\.\d+\.\d+-\w+-slim\b/)
  t.equal(
    new Set(images.map((image) => image.split(' ')[0])).size,
    1,
    'what is built is run by the same Node'
  )
  t.match(all('USER').at(-1), /^[1-9]\d*:[1-9]\d*$/)
  t.match(all('CMD'), [/^\["node", /], 'no shell, no npm')
  t.strictSame(all('HEALTHCHECK'), [])
  t.match(
    all('LABEL').join(),
    `org.opencontainers.image.version="${JSON.parse(await read('package.json')).version}"`
  )
})

/** The image's command, as another user, on a free port; `env` is what one would give to `docker run`. */
function start(t: Test, image: Image, path: string, env: Record<string, string> = {}) {
  const [uid, gid] = image.user.split(':')
  const given = { ...image.env, HOST: '127.0.0.1', PORT: '0', ...env, PATH: path }
  const words = Object.entries(given).map(([name, value]) => `${name}=${value}`)
  const user = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs']
  // env and setpriv become what they start: the process is node, as in a container.
  const child = spawn('env', ['-i', ...words, 'setpriv', ...user, ...image.cmd], {
    cwd: join(image.root, image.workdir),
    stdio: ['ignore', 'pipe', 'inherit']
  })
  return watchServer(t, child)
}

t.test(
  "the image's command serves, drains and comes back in a tree that it cannot write to",
  { skip },
  async (t) => {
    // Not in the repository, which the other user may have no way into.
    const dir = await mkdtemp(join(tmpdir(), 'lastcall-image-'))
    t.teardown(() => rm(dir, { recursive: true, force: true }))
    await chmod(dir, 0o755)
    await mkdir(join(dir, 'bin'))
    await copyFile(programNode, join(dir, 'bin/node'))
    const path = `${join(dir, 'bin')}:${process.env.PATH}`
    const image = await build(root, dir, path)
    image.env.TASK_STORE_URL = image.env.TASK_STORE_URL?.replace('sqlite:', `sqlite:${image.root}`) ?? ''

    const modules = await readdir(join(image.root, 'app/node_modules'))
    t.ok(modules.includes('fastify') && !modules.includes('typescript') && !modules.includes('tap'))
    t.strictSame((await readdir(join(image.root, 'app'))).sort(), [
      'LICENSE',
      'dist',
      'node_modules',
      'package.json'
    ])

    // A ConfigMap is mounted as links to links.
    const types = join(dir, 'tasks')
    await mkdir(join(types, '..2026'), { recursive: true })
    await writeFile(
      join(types, '..2026/whoami.mjs'),
      `import { accessSync, constants } from 'node:fs'
    export default {
      type: 'whoami', description: 'Says who it is, and where it may write.', input: {},
      run () {
        const writable = (path) => { try { accessSync(path, constants.W_OK); return true } catch { return false } }
        return { uid: process.getuid(), version: process.version, app: writable('.') || writable('dist') }
      }
    }`
    )
    await symlink('..2026', join(types, '..data'))
    await symlink('..data/whoami.mjs', join(types, 'whoami.mjs'))

    const first = start(t, image, path, { TASKS_DIR: types })
    let url = await first.listening()
    const posted = await fetch(`${url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'whoami', input: {} })
    })
    t.equal(posted.status, 202)
    const { streamUrl, statusUrl } = (await posted.json()) as { streamUrl: string; statusUrl: string }
    t.match(await (await fetch(url + streamUrl)).text(), /event: task_completed/)
    first.child.kill('SIGTERM')
    t.strictSame(await first.exited, [0, null], 'it gets the signal itself')
    t.ok(
      first.lines.every(({ level }) => level > 0),
      'its log is JSON'
    )

    const second = start(t, image, path, { TASKS_DIR: types })
    url = await second.listening()
    t.match(await (await fetch(url + statusUrl)).json(), {
      status: 'completed',
      result: { uid: Number(image.user.split(':')[0]), app: false }
    })
    second.child.kill('SIGTERM')
    t.strictSame(await second.exited, [0, null])
  }
)
