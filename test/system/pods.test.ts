import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { needsRedis } from '../redis.ts'
import { taskFile, taskFiles } from '../task-files.ts'
import { clientOf, type Pod, setUpPods } from './pods.ts'

t.setTimeout(180_000)

const skip = needsRedis()

const taskTypes = {
  ...taskFiles('gated', 'quick', 'stepper'),
  'requeued.mjs': taskFile('gated', "onShutdown: 'requeue'", 'requeued')
}

const setUp = (t: Test, settings?: Record<string, string>) => setUpPods(t, taskTypes, settings)
type SetUp = Awaited<ReturnType<typeof setUp>>

const drains = (pod: Pod) => pod.logged(({ msg }) => msg === 'draining before exit')
const started = ({ type }: { type: string }) => type === 'task_started'
const operator = { authorization: 'Bearer operator' }

/** Starts a task and waits until it runs; as long as there is one pod, there. */
async function startRunning({ witness }: SetUp, type: string, input: object, key: string) {
  const taskId = await witness.start({ type, input }, key)
  const stream = witness.follow(taskId)
  await stream.seen(started)
  return { taskId, stream }
}

t.test('any pod answers for a task that another one runs', { skip }, async (t) => {
  const setup = await setUp(t)
  const { start, gate, openGate, witness } = setup
  await start()
  const { taskId } = await startRunning(setup, 'gated', { gate }, 'task')
  const other = clientOf(t, await start())

  const record = (await other.get(taskId)).body
  t.match(record, { taskId, status: 'running', attempt: 1 })
  const listed = []
  for await (const task of other.list()) listed.push(task.taskId)
  t.strictSame(listed, [taskId])
  const again = await other.start({ type: 'gated', input: { gate } }, 'task')
  t.equal(again.body.taskId, taskId)
  t.equal(again.headers.get('idempotent-replayed'), 'true')
  t.equal((await other.start({ type: 'gated', input: {} }, 'task')).status, 422)
  t.match(await other.remove(taskId), { status: 409, body: { code: 'TASK_NOT_FINISHED' } })
  const stream = other.follow(taskId)
  await stream.seen(started)
  await openGate()
  await stream.seen(({ type }) => type === 'task_completed')
  t.equal(await stream.done, 'ended')

  t.strictSame(await witness.verify(), [])
  t.equal((await other.remove(taskId)).status, 204)
  t.equal((await other.get(taskId)).status, 404)
})

t.test('a cancel reaches the pod that runs the task within a second', { skip }, async (t) => {
  const setup = await setUp(t)
  const { start, retire, gate, redis, witness } = setup
  const runner = await start()
  const tasks = []
  for (const key of ['told', 'draining', 'message lost'])
    tasks.push(await startRunning(setup, 'gated', { gate }, key))
  const other = clientOf(t, await start())
  retire(runner)
  const cancelled = async ({ taskId }: { taskId: string }) => {
    const at = performance.now()
    const stream = other.follow(taskId)
    await stream.seen(({ type }) => type === 'task_cancelled')
    return performance.now() - at
  }
  const [told, draining, messageLost] = tasks
  if (!told || !draining || !messageLost) throw new Error('three tasks were started')

  t.match(await other.cancel(told.taskId), { status: 202, body: { status: 'running' } })
  t.ok((await cancelled(told)) < 1_000)
  // As a cancel whose message was lost leaves it.
  await redis.command('HSET', `{lastcall}:task:${messageLost.taskId}`, 'cancel', '1')
  t.ok((await cancelled(messageLost)) < 1_000)
  runner.child.kill('SIGTERM')
  await drains(runner)
  await other.cancel(draining.taskId)
  t.ok((await cancelled(draining)) < 1_000)

  t.equal((await runner.exited)[0], 0)
  for (const { taskId } of tasks)
    t.match(await witness.read(taskId), { status: 'cancelled', cancelReason: 'client' })
})

t.test(
  'a pod that drains claims nothing more, at once, and waits for its own tasks only',
  { skip },
  async (t) => {
    const setup = await setUp(t, { MAX_WORKERS: '1', ADMIN_TOKEN: 'operator' })
    const { start, retire, gate, openGate, witness } = setup
    const idle = await start()
    const first = clientOf(t, idle)
    await first.call('POST', '/admin/drain', { headers: operator })
    const busy = await start()
    retire(idle)
    const { taskId } = await startRunning(setup, 'gated', { gate }, 'running')
    const waiting = []
    for (let n = 0; n < 20; n++)
      waiting.push(await witness.start({ type: 'quick', input: { n } }, `waiting-${n}`))

    // The idle one has a free slot and was waiting for work when it was told.
    idle.child.kill('SIGTERM')
    t.equal((await idle.exited)[0], 0)
    t.equal((await idle.logged(({ msg }) => msg === 'drained')).outcome, 'clean')
    t.notOk(
      idle.lines.some(({ msg }) => msg === 'task ended' || msg === 'task requeued'),
      'it took none of them'
    )
    await openGate()
    for (const waitingId of waiting) await witness.follow(waitingId).done
    t.match(await witness.read(taskId), { status: 'completed' })
    t.strictSame(await witness.verify(), [])
    t.equal(busy.child.exitCode, null)
  }
)

t.test('a drain by hand that is undone loses no task and takes new ones at once', { skip }, async (t) => {
  const setup = await setUp(t, { MAX_WORKERS: '2', ADMIN_TOKEN: 'operator' })
  const { start, gate, openGate, witness, client } = setup
  await start()
  const { taskId } = await startRunning(setup, 'gated', { gate }, 'running')
  for (let round = 0; round < 20; round++) {
    const waiting = await witness.start({ type: 'quick', input: { n: round } }, `task-${round}`)
    t.equal((await client.call('POST', '/admin/drain', { headers: operator })).status, 202)
    t.equal((await client.call('DELETE', '/admin/drain', { headers: operator })).status, 200)
    t.equal(await witness.follow(waiting).done, 'ended')
  }
  await openGate()
  t.equal(await witness.follow(taskId).done, 'ended')
  t.match(await witness.read(taskId), { status: 'completed', attempt: 1 })
  t.strictSame(await witness.verify(), [])
})

t.test(
  'at the deadline a requeue task goes on elsewhere within 250 ms, from its checkpoint, without a step done twice',
  { skip },
  async (t) => {
    const setup = await setUp(t, { GRACEFUL_SHUTDOWN_TIMEOUT: '0.5' })
    const { dir, start, retire, witness } = setup
    const notes = join(dir, 'notes')
    const leaving = await start()
    const moving = await startRunning(setup, 'stepper', { notes, steps: 150 }, 'moving')
    const ending = await startRunning(setup, 'gated', { gate: setup.gate }, 'ending')
    await start()
    retire(leaving)

    leaving.child.kill('SIGTERM')
    const again = await moving.stream.seen(({ json }) => json.includes('"attempt":2'))
    const requeued = moving.stream.events.find(({ type }) => type === 'task_requeued')
    t.match(requeued, { json: /"reason":"shutdown"/ })
    const ms = timeOf(again.json) - timeOf(requeued?.json)
    t.ok(ms <= 250, `it was running again after ${ms} ms`)
    t.match(await ending.stream.seen(({ type }) => type === 'task_cancelled'), {
      json: /"reason":"shutdown"/
    })
    t.equal((await leaving.exited)[0], 0)

    t.equal(await moving.stream.done, 'ended')
    t.match(await witness.read(moving.taskId), { status: 'completed', attempt: 2, result: 150 })
    t.strictSame(
      (await readFile(notes, 'utf8')).trim().split(' ').map(Number),
      Array.from({ length: 150 }, (_, n) => n + 1)
    )
    t.strictSame(await witness.verify(), [])
  }
)

const timeOf = (json = '{}') => Date.parse(JSON.parse(json).timestamp)

t.test(
  'a pod that drains ends the streams of tasks that run elsewhere, little by little, and keeps its own',
  { skip },
  async (t) => {
    const setup = await setUp(t, { MAX_WORKERS: '1' })
    const { start, retire, gate, openGate, witness } = setup
    const leaving = await start()
    const own = await startRunning(setup, 'gated', { gate }, 'own')
    await start()
    const elsewhere = await startRunning(setup, 'gated', { gate }, 'elsewhere')
    for (let n = 0; n < 20; n++) witness.follow(elsewhere.taskId)
    const openStreams = async () => {
      const metrics = await (await fetch(`${leaving.url}/metrics`)).text()
      return Number(/^task_sse_streams (\d+)/m.exec(metrics)?.[1])
    }
    while ((await openStreams()) < 22) await sleep(20)

    leaving.child.kill('SIGTERM')
    await drains(leaving)
    retire(leaving)
    const counts = new Set<number>()
    while (!counts.has(1)) {
      counts.add(await openStreams())
      await sleep(50)
    }
    t.ok(counts.size > 5, `they went little by little: ${[...counts]}`)
    t.equal(own.stream.connections, 1)
    await openGate()
    await own.stream.seen(({ type }) => type === 'task_completed')
    t.equal((await leaving.exited)[0], 0)
    t.equal(await own.stream.done, 'ended')
    t.equal(await elsewhere.stream.done, 'ended')
    t.strictSame(await witness.verify(), [])
  }
)

t.test('a pod whose Redis is away still leaves within its budget', { skip }, async (t) => {
  for (const how of ['SIGSTOP', 'SIGKILL'] as const) {
    const setup = await setUp(t, { GRACEFUL_SHUTDOWN_TIMEOUT: '1', CANCEL_GRACE: '1' })
    const pod = await setup.start()
    await startRunning(setup, 'requeued', { gate: setup.gate }, 'task')
    if (how === 'SIGSTOP') setup.redis.signal('SIGSTOP')
    else await setup.redis.stop('SIGKILL')

    const at = performance.now()
    pod.child.kill('SIGTERM')
    const [exitCode] = await pod.exited
    const ms = performance.now() - at
    t.equal(exitCode, 1, 'it says that not all was recorded')
    t.ok(ms < 4_000, `${how}: it was gone after ${Math.round(ms)} ms`)
  }
})

t.test(
  'a pod that starts before its Redis serves probes, and is ready when Redis is',
  { skip },
  async (t) => {
    const { redis, start, witness } = await setUp(t)
    await redis.stop()
    const pod = await start()

    t.equal(await (await fetch(`${pod.url}/healthz`)).text(), 'alive')
    const readyz = await fetch(`${pod.url}/readyz?verbose`)
    t.equal(readyz.status, 503)
    t.match(await readyz.json(), { checks: { tasks: { ok: false, detail: /ECONNREFUSED/ } } })
    t.equal((await fetch(`${pod.url}/metrics`)).status, 200)
    await redis.start()
    const taskId = await witness.start({ type: 'quick', input: { n: 1 } }, 'task')
    t.equal(await witness.follow(taskId).done, 'ended')
    t.equal(await (await fetch(`${pod.url}/readyz`)).text(), 'ok')
  }
)

t.test('retention leaves nothing behind in Redis', { skip }, async (t) => {
  const { redis, start, witness, client } = await setUp(t, { TASK_RETENTION: '1' })
  await start()
  const taskIds = []
  for (let n = 0; n < 50; n++) {
    const taskId = await witness.start({ type: 'quick', input: { n } }, `task-${n}`)
    taskIds.push(taskId)
    await witness.follow(taskId).done
  }
  for (const taskId of taskIds) while ((await client.get(taskId)).status !== 404) await sleep(50)

  const keys = String(await redis.command('KEYS', '*'))
  t.notMatch(keys, new RegExp(taskIds.join('|')), 'no key names a task')
  const constant = [
    'seq',
    'removed',
    'types',
    'probe',
    'tasks:meta',
    'tasks:id',
    'tasks:events',
    'tasks:marker'
  ]
  const left = keys
    .split(/\s+/)
    .filter((key) => key !== '' && !/:inbox:|:once:|stalled-check|:repair/.test(key))
  t.strictSame(
    left.filter((key) => !constant.includes(key.replace('{lastcall}:', ''))),
    [],
    'nor is there any besides those that always are'
  )
})
