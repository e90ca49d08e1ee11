import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { spawnServer } from '../helper.ts'
import { taskFile } from '../task-files.ts'
import { chooseSeed, seededRandom } from './random.ts'
import { Client } from './retrying-client.ts'
import { soak } from './soak.ts'
import { Witness } from './witness.ts'

t.setTimeout(900_000)

const terminations = soak ? 200 : 20
const posters = 4
const adminToken = 'operator'

const taskTypes = {
  'quick.mjs': taskFile('quick', "isolation: 'process'"),
  'stepper.mjs': taskFile('stepper', 'maxRequeues: 1000'),
  'sleeper.mjs': `import { setTimeout as sleep } from 'node:timers/promises'
  export default {
    type: 'sleeper', description: 'Waits, and says so.', input: {}, isolation: 'inline',
    async run ({ n }, { progress, signal }) {
      for (let step = 1; step <= 5; step++) {
        await sleep(n % 100, undefined, { signal })
        progress(step / 5, 'step ' + step)
      }
      return n
    }
  }`,
  'deaf.mjs': `import { setTimeout as sleep } from 'node:timers/promises'
  export default {
    type: 'deaf', description: 'Hears no signal.', input: {}, isolation: 'inline', run: () => sleep(2000)
  }`,
  'spin.mjs': `export default {
    type: 'spin', description: 'Spins for a second.', input: {},
    run () { for (const end = Date.now() + 1000; Date.now() < end;) {} }
  }`
}

const seed = chooseSeed()

t.test(`what was promised is kept over ${terminations} SIGTERMs (LASTCALL_SEED=${seed})`, async (t) => {
  const random = seededRandom(seed)
  const dir = t.testdir({ types: taskTypes, notes: {} })
  const env = {
    TASK_STORE_URL: `sqlite:${join(dir, 'tasks.db')}`,
    TASKS_DIR: join(dir, 'types'),
    ADMIN_TOKEN: adminToken,
    MAX_WORKERS: '8',
    CANCEL_GRACE: '0.3'
  }
  let url = 'http://127.0.0.1:1'
  const client = new Client(() => url)
  t.teardown(() => client.close())
  const witness = new Witness(client, { countingIds: true })
  const steppers: { notes: string; steps: number; taskId: string }[] = []
  let loading = true
  let posted = 0

  const post = async () => {
    while (loading) {
      const n = posted++
      const key = `${seed}-${n}`
      const type = random.pick(['quick', 'sleeper', 'sleeper', 'stepper', 'stepper', 'deaf', 'spin'])
      const notes = join(dir, 'notes', key)
      const steps = 1 + random.below(30)
      const input = type === 'stepper' ? { notes, steps, stepMs: 30 } : { n }
      const taskId = await witness.start({ type, input }, key)
      if (type === 'stepper') steppers.push({ notes, steps, taskId })
      const following = witness.follow(taskId)
      if (random.next() < 0.1) await client.cancel(taskId)
      // As many tasks as run are waited for, so that the load is never far ahead of the service.
      if (random.next() < 0.7) await following.done
    }
  }
  const load = Promise.all(Array.from({ length: posters }, post))

  const endings: Record<string, number> = {}
  for (let n = 0; n < terminations; n++) {
    const timeout = random.pick(['0', '0', '0.2', '0.5'])
    const delay = random.pick(['0', '0', '0', '0.1'])
    const server = spawnServer(t, { ...env, GRACEFUL_SHUTDOWN_TIMEOUT: timeout, SHUTDOWN_DELAY: delay })
    const atStart = random.next() < 0.25
    if (atStart) await sleep(random.below(500))
    else {
      url = await server.listening()
      if (random.next() < 0.2) void drainAndUndo(url, random.below(100))
      await sleep(random.below(600))
    }
    server.child.kill('SIGTERM')
    const [code, signal] = await server.exited
    const ending = String(code ?? signal)
    endings[ending] = (endings[ending] ?? 0) + 1
    // The signal itself ends a process whose first line has not run yet.
    if (!(code === 0 || (atStart && signal === 'SIGTERM'))) {
      t.fail('it left with the wrong code', { seed, n, ending, log: server.lines.slice(-20) })
    }
    const uncaught = server.lines.filter(({ level }) => level >= 50)
    if (uncaught.length > 0) t.fail('it logged an error', { seed, n, uncaught })
  }
  t.comment(endings)

  loading = false
  const last = spawnServer(t, env)
  url = await last.listening()
  await load
  for (const { problem, ...more } of (await verify(witness)).slice(0, 5)) t.fail(problem, { seed, ...more })
  t.ok(witness.taskIds.length > terminations / 2, `${witness.taskIds.length} tasks were accepted`)

  const wrong: unknown[] = []
  for (const { notes, steps, taskId } of steppers) {
    const record = await witness.read(taskId)
    if (record?.status === 'cancelled' && record.cancelReason === 'client') continue
    const expected = Array.from({ length: steps }, (_, index) => index + 1).join(' ')
    const done = (await readFile(notes, 'utf8')).trim()
    if (record?.status !== 'completed' || done !== expected) wrong.push({ record, done, expected })
  }
  t.strictSame(wrong.slice(0, 3), [], 'every requeue task did every step once')
})

/** Drains by hand, and changes its mind; the process may leave at any moment of it. */
async function drainAndUndo(url: string, afterMs: number): Promise<void> {
  const headers = { authorization: `Bearer ${adminToken}` }
  await fetch(`${url}/admin/drain`, { method: 'POST', headers }).catch(() => {})
  await sleep(afterMs)
  await fetch(`${url}/admin/drain`, { method: 'DELETE', headers }).catch(() => {})
}

/** Waits for every task's end, then verifies. */
async function verify(witness: Witness) {
  await Promise.all(witness.taskIds.map((taskId) => witness.follow(taskId).done))
  return witness.verify()
}
