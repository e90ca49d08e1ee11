import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { durable, needsRedis } from '../redis.ts'
import { taskFile } from '../task-files.ts'
import { type Host, makeNetwork, needsNamespaces, startPodOn, startRedisOn } from './namespaces.ts'
import { Client } from './retrying-client.ts'
import { soak } from './soak.ts'
import { Witness } from './witness.ts'

t.setTimeout(300_000)

const skip = needsRedis() || needsNamespaces()

const types = { 'gated.mjs': taskFile('gated', "onLost: 'requeue'") }

async function setUp(t: Test) {
  const dir = t.testdir({ types, a: {}, b: {} })
  const network = await makeNetwork(t)
  const gate = join(dir, 'gate')
  const startPod = async (host: Host, url: string) => {
    const env = { TASK_STORE_URL: url, TASKS_DIR: join(dir, 'types'), MAX_WORKERS: '2' }
    const pod = await startPodOn(t, host, env)
    const client = new Client(() => pod.url)
    t.teardown(() => client.close())
    return { ...pod, client }
  }
  return { ...network, dir, gate, openGate: () => writeFile(gate, ''), startPod }
}

/** Resolves with how long it took until the pod is ready, or is not. */
async function untilReady(pod: { url: string }, ready: boolean, withinMs: number): Promise<number> {
  const start = performance.now()
  for (;;) {
    const { status } = await fetch(`${pod.url}/readyz`)
    const ms = Math.round(performance.now() - start)
    if ((status === 200) === ready || ms > withinMs) return ms
    await sleep(50)
  }
}

for (const seconds of soak ? [3, 10, 60] : [3, 10]) {
  // A lease lasts four seconds.
  const isLost = seconds > 4
  const what = isLost ? 'loses its tasks to others, and serves again by itself' : 'loses nothing'
  t.test(`a pod that Redis's packets do not reach for ${seconds} s ${what}`, { skip }, async (t) => {
    const { addHost, cut, dir, gate, openGate, startPod } = await setUp(t)
    const redisHost = await addHost()
    await startRedisOn(t, redisHost, 6379, durable(join(dir, 'a')))
    const url = `redis://${redisHost.address}:6379`
    const cutHost = await addHost()
    const victim = await startPod(cutHost, url)
    const witness = new Witness(victim.client, { countingIds: false })
    const taskIds: string[] = []
    for (const key of ['a', 'b']) {
      const taskId = await witness.start({ type: 'gated', input: { gate } }, key)
      await witness.follow(taskId).seen(({ type }) => type === 'task_started')
      taskIds.push(taskId)
    }
    const other = await startPod(await addHost(), url)

    const mend = await cut(cutHost, redisHost)
    const cutAt = performance.now()
    if (isLost) {
      const ms = await untilReady(victim, false, 8_000)
      t.ok(ms < 6_000, `it is not ready after ${ms} ms`)
      for (const taskId of taskIds) {
        const following = other.client.follow(taskId)
        await following.seen(({ json }) => json.includes('"attempt":2'))
        following.stop()
      }
      t.comment(`its tasks run elsewhere after ${Math.round(performance.now() - cutAt)} ms`)
    }
    await sleep(Math.max(0, seconds * 1000 - (performance.now() - cutAt)))
    await mend()
    const ms = await untilReady(victim, true, 20_000)
    t.ok(ms < 10_000, `it is ready ${ms} ms after packets pass again`)
    // Long enough for whoever would take them wrongly.
    await sleep(2_000)
    await openGate()

    for (const taskId of taskIds) {
      await witness.follow(taskId).done
      t.match(await witness.read(taskId), { status: 'completed', attempt: isLost ? 2 : 1 })
    }
    const next = await witness.start({ type: 'gated', input: { gate } }, 'next')
    await witness.follow(next).done
    t.strictSame(await witness.verify(), [])
  })
}

t.test(
  'pods follow Sentinel to a new primary although they still reach the old one, which is cut off',
  { skip },
  async (t) => {
    const { addHost, cut, dir, gate, openGate, startPod } = await setUp(t)
    const [oldHost, newHost, sentinelHost] = [await addHost(), await addHost(), await addHost()]
    // An old primary without replicas takes no more writes: what it acknowledged alone would be lost.
    const safe = ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '2']
    const oldPrimary = await startRedisOn(t, oldHost, 6379, [...durable(join(dir, 'a')), ...safe])
    const replicaOf = ['--replicaof', `${oldHost.address} 6379`, '--repl-timeout', '5']
    const newPrimary = await startRedisOn(t, newHost, 6379, [...durable(join(dir, 'b')), ...replicaOf])
    const file = join(dir, 'sentinel.conf')
    const name = 'lastcall'
    const settings = ['down-after-milliseconds lastcall 1000', 'failover-timeout lastcall 5000']
    const lines = [`monitor ${name} ${oldHost.address} 6379 1`, ...settings]
    await writeFile(file, lines.map((line) => `sentinel ${line}\n`).join(''))
    const sentinel = await startRedisOn(t, sentinelHost, 26379, [file, '--sentinel'])
    while (!(await oldPrimary('INFO', 'replication')).includes('state=online')) await sleep(50)
    while (!(await sentinel('SENTINEL', 'REPLICAS', name)).includes(newHost.address)) await sleep(100)
    const url = `redis://${sentinelHost.address}:26379/?sentinel=${name}`
    const pods = [await startPod(await addHost(), url), await startPod(await addHost(), url)]
    const [first] = pods
    if (!first) throw new Error('there are two pods')
    const witness = new Witness(first.client, { countingIds: false })
    const taskId = await witness.start({ type: 'gated', input: { gate } }, 'before')
    await witness.follow(taskId).seen(({ type }) => type === 'task_started')
    await oldPrimary('WAIT', '1', '1000')

    const mends = [await cut(oldHost, sentinelHost), await cut(oldHost, newHost)]
    while (!(await newPrimary('ROLE')).startsWith('master')) await sleep(50)
    // What the old one still acknowledges until it misses its replica would be lost: nothing is started in that time.
    await newPrimary('CONFIG', 'SET', 'min-replicas-to-write', '0')
    const at = performance.now()
    while (!(await newPrimary('CLIENT', 'LIST')).includes('evalsha')) await sleep(50)
    t.comment(`a pod uses the new primary ${Math.round(performance.now() - at)} ms after it became that`)
    for (const pod of pods) t.ok((await untilReady(pod, true, 20_000)) < 15_000)
    const next = await witness.start({ type: 'gated', input: { gate } }, 'after')
    for (const mend of mends) await mend()
    await sleep(3_000)
    await openGate()

    for (const id of [taskId, next]) {
      t.equal(await witness.follow(id).done, 'ended')
      t.match(await witness.read(id), { status: 'completed', attempt: 1 })
    }
    t.match(await newPrimary('ROLE'), /^master/)
    t.strictSame(await witness.verify(), [])
  }
)
