import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { NewTask, TaskRecord } from '../../src/task.ts'
import { spawnServer, startServer } from '../helper.ts'
import { Client } from './client.ts'
import { chooseSeed, seededRandom } from './random.ts'
import { Witness } from './witness.ts'

t.setTimeout(240_000)

const kills = 20
const posters = 8
// Far longer than what is left takes, without another kill.
const settledWithinMs = 60_000
// So many tasks wait or run at once.
const unfinished = 200

const taskTypes = {
  'quick.mjs': `export default {
    type: 'quick', description: 'Doubles a number.', input: {},
    run: ({ n }) => ({ doubled: n * 2 })
  }`,
  'sleeper.mjs': `import { setTimeout as sleep } from 'node:timers/promises'
  export default {
    type: 'sleeper', description: 'Waits, and says so.', input: {}, isolation: 'inline',
    async run ({ n }, { progress, signal }) {
      for (let step = 1; step <= 5; step++) {
        await sleep(20 + n % 20, undefined, { signal })
        progress(step / 5, 'step ' + step)
      }
      return { doubled: n * 2 }
    }
  }`,
  // Its file tells what it did: a kill takes nothing back that was written.
  'stepper.mjs': `import { appendFileSync } from 'node:fs'
  import { setTimeout as sleep } from 'node:timers/promises'
  export default {
    type: 'stepper', description: 'Does steps, each once.', input: {}, isolation: 'inline',
    onLost: 'requeue', maxRequeues: 1000,
    async run ({ n, dir, steps }, { attempt, checkpoint, progress, restored, signal, taskId }) {
      const note = (line) => appendFileSync(dir + '/' + taskId, line + '\\n')
      note('start ' + attempt)
      for (let step = (restored?.step ?? 0) + 1; step <= steps; step++) {
        await sleep(10, undefined, { signal })
        note('do ' + step)
        await checkpoint({ step })
        note('saved ' + step)
        progress(step / steps)
      }
      return { doubled: n * 2 }
    }
  }`,
  'third-time.mjs': `export default {
    type: 'third-time', description: 'Fails twice.', input: {}, isolation: 'inline',
    attempts: 3, backoffSeconds: 0.05, onLost: 'requeue', maxRequeues: 1000,
    async run ({ n }, { attempt }) {
      if (attempt < 3) throw new Error('not yet')
      return { doubled: n * 2 }
    }
  }`,
  'broken.mjs': `export default {
    type: 'broken', description: 'Fails.', input: {}, isolation: 'inline',
    async run () { throw Object.assign(new Error('no use'), { code: 'BROKEN' }) }
  }`
}

const seed = chooseSeed()

t.test(`what was promised is kept over ${kills} kills under load (LASTCALL_SEED=${seed})`, async (t) => {
  t.comment(`LASTCALL_SEED=${seed}`)
  const random = seededRandom(seed)
  const dir = t.testdir({ types: taskTypes, steps: {} })
  const stepsDir = join(dir, 'steps')
  const env = {
    TASK_STORE_URL: `sqlite:${join(dir, 'tasks.db')}`,
    TASKS_DIR: join(dir, 'types'),
    MAX_WORKERS: '6'
  }
  let server = await startServer(t, env)
  const client = new Client(() => server.url)
  t.teardown(() => client.close())
  const witness = new Witness(client, { countingIds: true })

  const kill = async () => {
    server.child.kill('SIGKILL')
    await server.exited
  }
  const restart = async () => {
    server = await startServer(t, env)
  }

  const cancelled = new Set<string>()
  const followed: Promise<unknown>[] = []
  let posted = 0
  let open = 0
  let loading = true
  const roomWanted: (() => void)[] = []

  const post = async () => {
    while (loading) {
      while (open >= unfinished) await new Promise<void>((resolve) => roomWanted.push(resolve))
      open++
      const key = `${seed}-${posted++}`
      const task = chooseTask(random, posted, stepsDir)
      const taskId = await witness.start(task, key)
      const streams = [witness.follow(taskId)]
      if (random.next() < 0.1) streams.push(witness.follow(taskId))
      const done = Promise.all(streams.map((stream) => stream.done)).then(() => {
        open--
        for (const wake of roomWanted.splice(0)) wake()
      })
      followed.push(done)

      if (random.next() < 0.1) await witness.start(task, key)
      if (random.next() < 0.3) await witness.read(random.pick(witness.taskIds))
      if (random.next() < 0.05) await client.remove(`none-${posted}`)
      if (random.next() < 0.1) {
        cancelled.add(taskId)
        await client.cancel(taskId)
      }
    }
  }
  const load = Promise.all(Array.from({ length: posters }, post))

  for (let killed = 0; killed < kills; killed++) {
    await sleep(random.below(600))
    await kill()
    if (killed % 5 === 4) {
      const starting = spawnServer(t, env)
      await sleep(random.below(600))
      starting.child.kill('SIGKILL')
      await starting.exited
    }
    await restart()
  }
  loading = false
  await load
  // What never ends is found by verify(), which says what it is.
  await Promise.race([Promise.all(followed), sleep(settledWithinMs, undefined, { ref: false })])

  await kill()
  await restart()
  const problems = await witness.verify()
  await kill()
  await restart()
  const records = await Promise.all(witness.taskIds.map((taskId) => witness.read(taskId)))

  for (const { problem, ...more } of problems.slice(0, 5)) t.fail(problem, { seed, ...more })
  t.equal(problems.length, 0, `${posted} tasks were kept as promised`)
  const listed: string[] = []
  for await (const { taskId } of client.list()) listed.push(taskId)
  t.strictSame(listed.sort(), witness.taskIds.sort(), 'every key made one task, and nothing else did')
  const wrong = records.filter((record) => !endedAsItShould(record, cancelled))
  t.strictSame(wrong.slice(0, 5), [], 'every task ended as its type and its luck say')
  const redone = await findWrongSteps(stepsDir)
  t.strictSame(redone, [], 'only what came after the last checkpoint was done again')
})

function chooseTask({ below, pick }: ReturnType<typeof seededRandom>, n: number, dir: string): NewTask {
  // Few need a thread: each has to start it again after each kill.
  const inline = ['sleeper', 'sleeper', 'stepper', 'stepper', 'third-time', 'broken']
  const type = below(12) === 0 ? 'quick' : pick(inline)
  const input = type === 'stepper' ? { n, dir, steps: 1 + below(20) } : { n }
  return { type, input, priority: pick([0, 0, 0, 5]) }
}

function endedAsItShould(record: TaskRecord | undefined, cancelled: Set<string>): boolean {
  if (!record) return false
  const { type, taskId, status, result, error, cancelReason } = record
  if (status === 'cancelled') return cancelled.has(taskId) && cancelReason === 'client'
  const survivesKills = type === 'stepper' || type === 'third-time'
  if (status === 'failed') {
    if (error?.code === 'BROKEN') return type === 'broken'
    return error?.code === 'TASK_INTERRUPTED' && !survivesKills
  }
  return status === 'completed' && type !== 'broken' && typeof result === 'object'
}

/** What the steppers' own files say against them. */
async function findWrongSteps(dir: string): Promise<string[]> {
  const wrong: string[] = []
  for (const taskId of await readdir(dir)) {
    const notes = await readFile(join(dir, taskId), 'utf8')
    let [attempt, done, saved] = [0, 0, 0]
    for (const note of notes.trimEnd().split('\n')) {
      const [what, text] = note.split(' ')
      const number = Number(text)
      if (what === 'start' && number <= attempt) wrong.push(`${taskId}: attempt ${number} again:\n${notes}`)
      if (what === 'do' && number <= saved) wrong.push(`${taskId}: step ${number} again:\n${notes}`)
      if (what === 'do' && number > done + 1) wrong.push(`${taskId}: step ${done + 1} left out:\n${notes}`)
      if (what === 'start') attempt = number
      if (what === 'do') done = number
      if (what === 'saved') saved = number
    }
  }
  return wrong
}
