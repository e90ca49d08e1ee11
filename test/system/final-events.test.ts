import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startServer } from '../helper.ts'
import { durable, needsRedis, startRedis } from '../redis.ts'

t.setTimeout(60_000)

const streams = 80
const types = {
  // All of them end at the same moment.
  'parting.mjs': `import { access } from 'node:fs/promises'
    import { setTimeout as sleep } from 'node:timers/promises'
    let opened
    const untilOpen = async (gate) => {
      while (!(await access(gate).then(() => true, () => false))) await sleep(5)
    }
    export default {
      type: 'parting', description: 'Reports once more and returns at once.', input: {}, isolation: 'inline',
      async run ({ gate }, { progress }) {
        await (opened ??= untilOpen(gate))
        progress(1, 'last')
        return 'x'
      }
    }`
}

async function check(t: Test, storeUrl: (dir: string) => Promise<string>): Promise<void> {
  const dir = t.testdir({ types, redis: {} })
  const gate = join(dir, 'gate')
  const pod = await startServer(t, {
    TASK_STORE_URL: await storeUrl(dir),
    TASKS_DIR: join(dir, 'types'),
    MAX_WORKERS: `${streams}`
  })
  const reading: Promise<string>[] = []
  for (let n = 0; n < streams; n++) {
    const answer = await fetch(`${pod.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'parting', input: { gate } })
    })
    const { streamUrl } = (await answer.json()) as { streamUrl: string }
    reading.push(fetch(new URL(streamUrl, pod.url)).then((stream) => stream.text()))
  }
  await sleep(500)
  pod.child.kill('SIGTERM')
  await pod.logged(({ msg }) => msg === 'draining before exit')
  await writeFile(gate, '')
  const texts = await Promise.all(reading)
  const without = texts.filter((text) => !text.includes('event: task_completed'))
  t.equal(without.length, 0, `${without.length} of ${streams} streams ended without the final event`)
  t.strictSame(await pod.exited, [0, null])
}

t.test('every stream of a task that ends in a drain gets its final event: SQLite', (t) =>
  check(t, async (dir) => `sqlite:${join(dir, 'tasks.db')}`)
)

t.test(
  'every stream of a task that ends in a drain gets its final event: Redis',
  { skip: needsRedis() },
  (t) => check(t, async (dir) => (await startRedis(t, durable(join(dir, 'redis')))).url)
)
