import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { needsRedis } from '../redis.ts'
import { taskFile } from '../task-files.ts'
import { Load, loadTypes } from './load.ts'
import { clientOf, setUpPods } from './pods.ts'
import { chooseSeed, seededRandom } from './random.ts'
import { soak } from './soak.ts'

t.setTimeout(900_000)

const skip = needsRedis()
const kills = soak ? 100 : 6
const redisRestarts = soak ? 10 : 3
// What a lost pod's tasks may take until their outcomes are resolved.
const recoveredWithinMs = 10_000
// More than three pods can run at once, and few enough to be looked at one by one.
const unfinished = 60
const seed = chooseSeed()

const gated = { 'gated.mjs': taskFile('gated', "onLost: 'requeue'") }

t.test(
  `what was promised is kept over ${kills} kills of three pods (LASTCALL_SEED=${seed})`,
  { skip },
  async (t) => {
    t.comment(`LASTCALL_SEED=${seed}`)
    const random = seededRandom(seed)
    const { dir, pods, start, retire, witness } = await setUpPods(
      t,
      loadTypes,
      { MAX_WORKERS: '6' },
      (all) => (all.length > 0 ? random.pick(all) : undefined)
    )
    for (let n = 0; n < 3; n++) await start()

    const load = new Load({ witness, random, seed, stepsDir: join(dir, 'steps'), posters: 3, unfinished })
    for (let killed = 0; killed < kills; killed++) {
      await sleep(random.below(1000))
      const victim = random.pick(pods)
      retire(victim)
      victim.child.kill('SIGKILL')
      await victim.exited
      await start()
    }
    await load.stop()

    await load.check(t, await witness.verify())
  }
)

t.test(
  `what was promised is kept while Redis is restarted ${redisRestarts} times (LASTCALL_SEED=${seed})`,
  { skip },
  async (t) => {
    const random = seededRandom(seed)
    const { dir, redis, start, witness } = await setUpPods(t, loadTypes, { MAX_WORKERS: '6' }, (all) =>
      random.pick(all)
    )
    for (let n = 0; n < 2; n++) await start()

    const load = new Load({ witness, random, seed, stepsDir: join(dir, 'steps'), posters: 3, unfinished })
    for (let restarts = 0; restarts < redisRestarts; restarts++) {
      await sleep(random.below(1500))
      await redis.stop(random.pick(['SIGTERM', 'SIGKILL'] as const))
      // Now and then longer than a lock lasts.
      await sleep(restarts % 3 === 2 ? 5_000 : random.below(1500))
      await redis.start()
    }
    await load.stop()

    // Nobody's process was lost: what ran went on, and said so when Redis was back.
    await load.check(t, await witness.verify(), false)
  }
)

t.test('the tasks of a killed pod run elsewhere, or fail, within ten seconds', { skip }, async (t) => {
  const types = { ...gated, 'fragile.mjs': taskFile('gated', '', 'fragile') }
  const { start, retire, client, witness, gate, openGate } = await setUpPods(t, types, { MAX_WORKERS: '2' })
  const victim = await start()
  const requeued = await witness.start({ type: 'gated', input: { gate } }, 'requeued')
  const failed = await witness.start({ type: 'fragile', input: { gate } }, 'failed')
  const streams = [witness.follow(requeued), witness.follow(failed)]
  for (const stream of streams) await stream.seen(({ type }) => type === 'task_started')
  // Both its slots are taken by what it has to do itself.
  const survivor = await start()
  for (const key of ['busy-1', 'busy-2']) {
    const taskId = await witness.start({ type: 'gated', input: { gate } }, key)
    await witness.follow(taskId).seen(({ type }) => type === 'task_started')
  }

  retire(victim)
  victim.child.kill('SIGKILL')
  const killedAt = performance.now()
  await Promise.all([
    streams[0]?.seen(({ type, json }) => type === 'task_requeued' && json.includes('"lost"')),
    streams[1]?.seen(({ type, json }) => type === 'task_failed' && json.includes('TASK_INTERRUPTED'))
  ])

  const ms = performance.now() - killedAt
  t.ok(ms < recoveredWithinMs, `resolved after ${Math.round(ms)} ms, although nobody has a free slot`)
  t.equal((await client.get(requeued)).body.status, 'pending')
  await openGate()
  t.equal(await streams[0]?.done, 'ended')
  t.match(await witness.read(requeued), { status: 'completed', attempt: 2 })
  t.strictSame(await witness.verify(), [])
  t.equal(survivor.child.exitCode, null)
})

t.test('a pod, or Redis, that stalls for two seconds loses nothing', { skip }, async (t) => {
  const { start, redis, witness, gate, openGate } = await setUpPods(t, gated)
  const pods = [await start(), await start()]
  const taskIds: string[] = []
  for (let n = 0; n < 8; n++)
    taskIds.push(await witness.start({ type: 'gated', input: { gate } }, `task-${n}`))
  for (const taskId of taskIds) await witness.follow(taskId).seen(({ type }) => type === 'task_started')

  for (const pod of pods) {
    pod.child.kill('SIGSTOP')
    await sleep(2_000)
    pod.child.kill('SIGCONT')
  }
  redis.signal('SIGSTOP')
  await sleep(2_000)
  redis.signal('SIGCONT')
  // Long enough for whoever would take them wrongly.
  await sleep(6_000)
  await openGate()

  for (const taskId of taskIds) {
    await witness.follow(taskId).done
    t.match(await witness.read(taskId), { status: 'completed', attempt: 1 })
  }
  t.strictSame(await witness.verify(), [])
})

t.test(
  'a pod that was frozen and comes back changes nothing, and finds its task lost',
  { skip },
  async (t) => {
    const talkative = `import { access } from 'node:fs/promises'
    import { setTimeout as sleep } from 'node:timers/promises'
    export default {
      type: 'talkative', description: 'Says which attempt it is.', input: {}, isolation: 'inline', onLost: 'requeue',
      async run ({ gate }, { attempt, progress, checkpoint, signal }) {
        for (let n = 1; ; n++) {
          signal.throwIfAborted()
          if (await access(gate).then(() => true, () => false)) return attempt
          progress(Math.min(0.99, n / 1000), 'attempt ' + attempt)
          await checkpoint(attempt)
          await sleep(20, undefined, { signal })
        }
      }
    }`
    const { start, retire, witness, gate, openGate } = await setUpPods(t, { 'talkative.mjs': talkative })
    const frozen = await start()
    const taskId = await witness.start({ type: 'talkative', input: { gate } }, 'task')
    await start()
    // A stream from the frozen one would only be silent.
    retire(frozen)
    const stream = witness.follow(taskId)
    await stream.seen(({ type }) => type === 'progress_update')

    frozen.child.kill('SIGSTOP')
    await stream.seen(({ type, json }) => type === 'task_started' && JSON.parse(json).data.attempt === 2)
    await sleep(soak ? 10_000 : 1_000)
    frozen.child.kill('SIGCONT')
    const given = await frozen.logged(({ msg }) => msg.startsWith('this process lost the lease'))
    t.match(given, { taskId, attempt: 1 })
    // A command that was under way when it was frozen took too long by its clock: it connects again.
    const errors = frozen.lines.filter(
      ({ level, reason }) => level >= 50 && !/^Socket timeout/.test(`${reason}`)
    )
    t.strictSame(errors, [], 'it takes that for no error')
    await openGate()

    t.equal(await stream.done, 'ended')
    t.match(await witness.read(taskId), { status: 'completed', attempt: 2, result: 2 })
    const started = stream.events.findIndex(({ json }) => json.includes('"attempt":2'))
    const late = stream.events.slice(started).filter(({ json }) => json.includes('attempt 1'))
    t.strictSame(late, [], 'nothing of the first attempt comes after the second has begun')
    t.strictSame(await witness.verify(), [])
    t.equal((await clientOf(t, frozen).get(taskId)).body.status, 'completed', 'it serves again')
  }
)
