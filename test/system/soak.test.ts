import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { needsRedis } from '../redis.ts'
import { Load, loadTypes } from './load.ts'
import type { Pod } from './pods.ts'
import { inflict, networkFaults, type ProxiedPod, setUpProxiedPods } from './proxied-pods.ts'
import { chooseSeed, seededRandom } from './random.ts'
import { startSentinel } from './sentinel.ts'
import { soak } from './soak.ts'
import type { Witness } from './witness.ts'

// For so long everything that can happen to pods, to Redis and between them does happen, again and again.
const minutes = Number(process.env.LASTCALL_SOAK_MINUTES ?? 60)
// What was promised is checked after each.
const roundMs = Math.min(3, minutes) * 60_000

t.setTimeout(0)

const skip = needsRedis() || (!soak && 'an hour of faults: npm run soak')
const seed = chooseSeed()
const random = seededRandom(seed)

/** How often each kind of fault was done. */
type Count = Record<string, number>

async function freeze({ child }: Pod): Promise<void> {
  child.kill('SIGSTOP')
  await sleep(500 + random.below(7_000))
  child.kill('SIGCONT')
}

/** Does faults until the time is over, each at a random moment, some at once. */
async function doFaults(faults: Record<string, () => Promise<unknown>>, counts: Count): Promise<void> {
  const until = performance.now() + roundMs
  const lane = async () => {
    while (performance.now() < until) {
      await sleep(random.below(2_000))
      const [name, fault] = random.pick(Object.entries(faults))
      counts[name] = (counts[name] ?? 0) + 1
      await fault()
    }
  }
  await Promise.all([lane(), lane()])
}

/** Checks what was promised, and prints what was done. */
async function check(t: Test, load: Load, witness: Witness, faults: Count): Promise<void> {
  await load.stop(120_000)
  await load.check(t, await witness.verify())
  const outcomes: Count = {}
  for (const record of await witness.readAll()) {
    const outcome = record?.error?.code ?? record?.status ?? 'gone'
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }
  t.comment(JSON.stringify({ seed, tasks: load.posted, outcomes, faults }))
}

/** Does one at a time, whoever asks. */
function oneByOne(act: () => Promise<unknown>): () => Promise<unknown> {
  let last: Promise<unknown> = Promise.resolve()
  return () => {
    last = last.then(act)
    return last
  }
}

async function throughProxies(t: Test): Promise<void> {
  const setup = await setUpProxiedPods(t, loadTypes, { MAX_WORKERS: '6' }, (pods) =>
    pods.length > 0 ? random.pick(pods) : undefined
  )
  const { dir, redis, retire, witness, startBehindProxy } = setup
  const proxied: ProxiedPod[] = []
  for (let n = 0; n < 3; n++) proxied.push(await startBehindProxy())
  const load = new Load({ witness, random, seed, stepsDir: join(dir, 'steps'), posters: 3, unfinished: 60 })
  const counts: Count = {}

  const onNetwork = networkFaults.map((fault) => {
    const ms = () => 500 + random.below(5_000)
    const proxies = () => proxied.map(({ proxy }) => proxy)
    return [fault, () => inflict(fault, proxies(), random, ms())]
  })
  await doFaults(
    {
      ...Object.fromEntries(onNetwork),
      kill: async () => {
        const victim = random.pick(proxied)
        proxied.splice(proxied.indexOf(victim), 1)
        retire(victim.pod)
        victim.pod.child.kill('SIGKILL')
        await victim.pod.exited
        proxied.push(await startBehindProxy())
      },
      freeze: () => freeze(random.pick(proxied).pod),
      restartRedis: oneByOne(async () => {
        await redis.stop(random.pick(['SIGTERM', 'SIGKILL'] as const))
        await sleep(random.below(6_000))
        await redis.start()
      })
    },
    counts
  )
  await check(t, load, witness, counts)
}

async function throughFailovers(t: Test): Promise<void> {
  const setup = await setUpProxiedPods(t, loadTypes, { MAX_WORKERS: '6' }, (pods) =>
    pods.length > 0 ? random.pick(pods) : undefined
  )
  const { dir, pods, retire, start, witness } = setup
  const { url, failOver } = await startSentinel(t, dir)
  for (let n = 0; n < 3; n++) await start({ TASK_STORE_URL: url })
  const load = new Load({ witness, random, seed, stepsDir: join(dir, 'steps'), posters: 3, unfinished: 60 })
  const counts: Count = {}

  await doFaults(
    {
      failover: oneByOne(failOver),
      kill: async () => {
        const victim = random.pick(pods)
        retire(victim)
        victim.child.kill('SIGKILL')
        await victim.exited
        await start({ TASK_STORE_URL: url })
      },
      freeze: () => freeze(random.pick(pods))
    },
    counts
  )
  await check(t, load, witness, counts)
}

const rounds = Math.ceil((minutes * 60_000) / roundMs)
for (let round = 0; round < rounds; round++) {
  // Each fifth with Sentinel.
  const [how, run] =
    round % 5 === 4
      ? (['failovers of Redis', throughFailovers] as const)
      : (['faults of the network and of Redis', throughProxies] as const)
  t.test(`round ${round + 1}: ${how}, kills and frozen pods (LASTCALL_SEED=${seed})`, { skip }, run)
}
