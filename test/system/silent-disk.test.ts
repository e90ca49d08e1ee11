import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { needsCommand, startServer } from '../helper.ts'
import { taskFiles } from '../task-files.ts'
import { makeSilentDisk } from './silent-disk.ts'

t.setTimeout(120_000)

const skip = needsCommand('gcc')

for (const calls of ['sync', 'write'] as const) {
  t.test(`while the disk does not answer a ${calls}, all else goes on`, { skip }, async (t) => {
    const disk = makeSilentDisk(calls)
    t.teardown(disk.remove)
    const env = { ...disk.env, TASKS_DIR: t.testdir(taskFiles('stepper')) }
    const { url, child, exited } = await startServer(t, env)
    const start = (type = 'demo', input: object = { seconds: 1 }) =>
      fetch(`${url}/api/tasks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ type, input })
      })
    const statusOf = async (path: string) => (await fetch(`${url}${path}`)).status
    t.equal((await start()).status, 202)
    // It takes some seconds, and has a checkpoint under way at almost every moment.
    const { statusUrl } = (await (await start('stepper', { steps: 60 })).json()) as { statusUrl: string }

    disk.silence()
    const startedAt = performance.now()
    const starting = Promise.all([start(), start()])
    let answered = false
    void starting.then(() => (answered = true))
    // Were the event loop held up, these would be answered when the disk is, which the test decides.
    let alive = 0
    while (!answered) {
      t.equal(await statusOf('/healthz'), 200)
      alive++
      await sleep(20)
    }
    const tookMs = performance.now() - startedAt

    for (const response of await starting) {
      t.equal(response.status, 503)
      t.match(await response.json(), { code: 'STORE_UNAVAILABLE' })
      t.ok(response.headers.get('retry-after'))
    }
    t.ok(tookMs < 2_500, `answered after ${Math.round(tookMs)} ms`)
    t.ok(alive > 10, `${alive} probes were answered meanwhile`)
    t.equal(await statusOf('/readyz'), 503)
    t.match(await (await fetch(`${url}/metrics`)).text(), /^task_store_up 0$/m)

    disk.answer()
    while ((await statusOf('/readyz')) !== 200) await sleep(20)
    t.equal((await start()).status, 202)
    t.match(await (await fetch(`${url}/metrics`)).text(), /^task_store_up 1$/m)
    const stepper = await (await fetch(`${url}${statusUrl}?wait=30`)).json()
    t.match(stepper, { status: 'completed', attempt: 1, result: 60 }, 'its checkpoints have waited')
    child.kill('SIGTERM')
    t.strictSame(await exited, [0, null])
  })
}
