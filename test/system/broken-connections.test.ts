import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { needsRedis } from '../redis.ts'
import { taskFiles } from '../task-files.ts'
import { setUpProxiedPods } from './proxied-pods.ts'
import { chooseSeed, seededRandom } from './random.ts'

t.setTimeout(180_000)

const skip = needsRedis()
const seed = chooseSeed()

const types = {
  ...taskFiles('gated'),
  'short.mjs': `import { setTimeout as sleep } from 'node:timers/promises'
  let running = 0
  let most = 0
  export default {
    type: 'short', description: 'Says how many ran beside it at most.', input: {}, isolation: 'inline',
    async run ({ ms }, { progress }) {
      most = Math.max(most, ++running)
      await sleep(ms / 2)
      progress(0.5)
      await sleep(ms / 2)
      running--
      return most
    }
  }`
}

t.test(`resets and lost answers cost no task its attempt (LASTCALL_SEED=${seed})`, { skip }, async (t) => {
  const random = seededRandom(seed)
  const { witness, startBehindProxy } = await setUpProxiedPods(t, types, { MAX_WORKERS: '4' })
  const proxies = [(await startBehindProxy()).proxy, (await startBehindProxy()).proxy]

  const taskIds: string[] = []
  const post = async () => {
    for (let n = 0; n < 160; n++) {
      // The same key until it is answered, as clients do.
      for (;;) {
        const taskId = await witness
          .start({ type: 'short', input: { ms: 200 + random.below(200) } }, `task-${n}`)
          .catch(() => undefined)
        if (taskId !== undefined) {
          taskIds.push(taskId)
          break
        }
        await sleep(50)
      }
    }
  }
  await post()
  for (let n = 0; n < 20; n++) {
    await sleep(random.below(200))
    const fault = random.pick(['reset', 'loseAnswer'] as const)
    const proxy = random.pick(proxies)
    if (random.below(2) === 0) proxy.strikeAll(fault)
    else proxy.strikeOne(fault, random)
  }

  const outcomes: Record<string, number> = {}
  for (const taskId of taskIds) {
    await witness.follow(taskId).done
    const record = await witness.read(taskId)
    const how = `${record?.status} ${record?.error?.code ?? ''} attempt ${record?.attempt}`
    outcomes[how] = (outcomes[how] ?? 0) + 1
  }
  t.strictSame(outcomes, { 'completed  attempt 1': 160 })
  t.strictSame(await witness.verify(), [])
})

t.test(
  'a pod whose connections are half-open says so within five seconds, and heals by itself',
  { skip },
  async (t) => {
    const { witness, startBehindProxy, gate, openGate } = await setUpProxiedPods(t, types, {
      MAX_WORKERS: '4'
    })
    const { pod, proxy } = await startBehindProxy()
    const other = await startBehindProxy()
    t.ok(other.pod.url)
    const before = await witness.start({ type: 'gated', input: { gate } }, 'before')
    await witness.follow(before).seen(({ type }) => type === 'task_started')

    proxy.strikeAll('halfOpen')
    const at = performance.now()
    let unreadyMs: number | undefined
    let readyMs: number | undefined
    while (performance.now() - at < 30_000 && readyMs === undefined) {
      const { status } = await fetch(`${pod.url}/readyz`)
      if (status === 503) unreadyMs ??= performance.now() - at
      else if (unreadyMs !== undefined) readyMs = performance.now() - at
      await sleep(50)
    }
    t.comment(`not ready after ${unreadyMs} ms, ready again after ${readyMs} ms`)
    t.ok(unreadyMs !== undefined && unreadyMs < 5_000)
    t.ok(readyMs !== undefined && readyMs < 10_000)

    const taskIds: string[] = []
    for (let n = 0; n < 7; n++)
      taskIds.push(await witness.start({ type: 'gated', input: { gate } }, `after-${n}`))
    await sleep(9_000)
    await openGate()
    for (const taskId of [before, ...taskIds]) {
      await witness.follow(taskId).done
      t.match(await witness.read(taskId), { status: 'completed', attempt: 1 })
    }
  }
)

t.test('while Redis stalls, no more tasks run than a pod has slots', { skip }, async (t) => {
  const { witness, startBehindProxy } = await setUpProxiedPods(t, types, { MAX_WORKERS: '2' })
  const { proxy } = await startBehindProxy()
  const taskIds: string[] = []
  for (let n = 0; n < 100; n++)
    taskIds.push(await witness.start({ type: 'short', input: { ms: 50 } }, `task-${n}`))
  for (let n = 0; n < 6; n++) {
    await sleep(120)
    proxy.strikeAll('stall', 1_000)
    await sleep(1_000)
  }
  let most = 0
  for (const taskId of taskIds) {
    await witness.follow(taskId).done
    const record = await witness.read(taskId)
    t.match(record, { status: 'completed', attempt: 1 })
    most = Math.max(most, record?.result as number)
  }
  t.ok(most <= 2, `${most} ran at once`)
})
