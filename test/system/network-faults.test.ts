import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { needsRedis } from '../redis.ts'
import { Load, loadTypes } from './load.ts'
import { inflict, networkFaults, setUpProxiedPods } from './proxied-pods.ts'
import { chooseSeed, seededRandom } from './random.ts'
import { soak } from './soak.ts'

t.setTimeout(1_200_000)

const skip = needsRedis()
const seed = chooseSeed()
const faultMs = soak ? 60_000 : 4_000

t.test(
  `three pods keep what was promised through each fault of the network (LASTCALL_SEED=${seed})`,
  { skip },
  async (t) => {
    const random = seededRandom(seed)
    const { dir, startBehindProxy, witness } = await setUpProxiedPods(
      t,
      loadTypes,
      { MAX_WORKERS: '6' },
      (pods) => random.pick(pods)
    )
    const proxies = []
    for (let n = 0; n < 3; n++) proxies.push((await startBehindProxy()).proxy)

    // Few enough to be looked at one by one.
    const stepsDir = join(dir, 'steps')
    const load = new Load({ witness, random, seed, stepsDir, posters: 2, unfinished: 40 })
    for (const fault of networkFaults) {
      const before = load.posted
      const strikes = await inflict(fault, proxies, random, faultMs)
      await sleep(1_000)
      t.comment(`${fault}: ${strikes} times, ${load.posted - before} tasks`)
    }
    await load.stop()

    await load.check(t, await witness.verify(), false)
    const records = await witness.readAll()
    const lost = records.filter((record) => record?.attempts?.some(({ outcome }) => outcome === 'lost'))
    t.strictSame(lost, [], 'no attempt of a living process was taken for lost')
  }
)
