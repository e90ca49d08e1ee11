import { copyFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startServer } from '../helper.ts'

t.setTimeout(120_000)

async function started(t: Test) {
  const path = join(t.testdir({}), 'tasks.db')
  const server = await startServer(t, { TASK_STORE_URL: `sqlite:${path}` })
  const ready = async () => {
    const answer = await fetch(`${server.url}/readyz?verbose`)
    return { status: answer.status, text: await answer.text() }
  }
  const post = () =>
    fetch(`${server.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'link-check', input: { urls: ['http://127.0.0.1:9/'] } })
    })
  return { path, server, ready, post }
}

const damages: { what: string; damage: (path: string) => Promise<void>; message: RegExp }[] = [
  { what: 'deleted', damage: unlink, message: /tasks\.db was deleted/ },
  {
    what: 'replaced',
    damage: async (path) => {
      await copyFile(path, `${path}.copy`)
      await rename(`${path}.copy`, path)
    },
    message: /tasks\.db was replaced/
  },
  { what: 'without its log', damage: (path) => unlink(`${path}-wal`), message: /tasks\.db-wal was deleted/ }
]

for (const { what, damage, message } of damages) {
  t.test(
    `a store file that is ${what} under the process makes it unready, and the log says so`,
    async (t) => {
      const { path, server, ready } = await started(t)
      t.equal((await ready()).status, 200)

      await damage(path)

      const { reason } = await server.logged(({ level, msg }) => level === 50 && /store was moved/.test(msg))
      t.match(reason, message, 'noticed without being asked')
      t.match(await ready(), { status: 503, text: message })
      server.child.kill('SIGTERM')
      t.strictSame(await server.exited, [0, null])
    }
  )
}

t.test('no task is accepted into a store file that nobody will find, until it is back', async (t) => {
  const { path, ready, post } = await started(t)
  await rename(path, `${path}.away`)
  t.equal((await ready()).status, 503)
  const refused = await post()
  t.equal(refused.status, 503)
  t.match(await refused.json(), { code: 'STORE_UNAVAILABLE' })

  await rename(`${path}.away`, path)

  t.equal((await ready()).status, 200)
  t.not((await post()).status, 503)
})
