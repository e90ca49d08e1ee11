import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { DistributedEngine } from '../../../src/distributed/engine.ts'
import type { Network } from '../../engine-suite/harness.ts'
import { engineSuite } from '../../engine-suite.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../../fault-proxy.ts'
import { quietLog } from '../../helper.ts'
import { needsRedis, startRedis } from '../../redis.ts'
import { chooseSeed, seededRandom } from '../../system/random.ts'

t.setTimeout(300_000)

const skip = needsRedis()
const seed = chooseSeed()
const random = seededRandom(seed)

/** Does the faults, one after the other, to one connection or all of them, until the test ends. */
function strike(t: Test, proxy: FaultProxy, faults: readonly Fault[], everyMs: number) {
  let stopped = false
  t.teardown(() => {
    stopped = true
  })
  const loop = async () => {
    while (!stopped) {
      await sleep(everyMs / 2 + random.below(everyMs), undefined, { ref: false })
      const fault = random.pick(faults)
      if (random.below(3) === 0) proxy.strikeAll(fault, stallMs)
      else proxy.strikeOne(fault, random, stallMs)
    }
  }
  void loop()
}
const stallMs = 300

interface Breakage {
  what: string
  network: Network
  apply: (t: Test, proxy: FaultProxy) => void
}

const breakages: Breakage[] = [
  {
    what: 'connections are reset and answers lost',
    network: { roundTripMs: 150, payloadBytes: 4_000_000, cuts: true },
    apply: (t, proxy) => strike(t, proxy, ['reset', 'loseAnswer'], 400)
  },
  {
    what: `connections stall for ${stallMs} ms`,
    network: { roundTripMs: stallMs, payloadBytes: 4_000_000, cuts: false },
    apply: (t, proxy) => strike(t, proxy, ['stall'], 600)
  },
  {
    what: 'the way there and back takes 200 ± 100 ms',
    network: { roundTripMs: 300, payloadBytes: 1_000_000, cuts: false },
    apply: (_, proxy) => proxy.delay(100, 50, random)
  },
  {
    what: 'a connection has 1 Mbit/s',
    network: { roundTripMs: 100, payloadBytes: 40_000, cuts: false },
    apply: (_, proxy) => proxy.throttle(1_000_000)
  }
]

for (const { what, network, apply } of breakages) {
  t.test(`the distributed engine while ${what} (LASTCALL_SEED=${seed})`, { skip }, async (t) => {
    const redis = await startRedis(t)
    const proxy = await startFaultProxy(t, redis.port)
    apply(t, proxy)
    // They wait for the network most of the time.
    t.jobs = 8
    let stores = 0
    engineSuite(
      t,
      () => {
        // However busy the machine is: a request is answered by what its command did, or not at all.
        const options = { url: proxy.url, prefix: `test-${stores++}`, log: quietLog, requestMs: 30_000 }
        return (more) => new DistributedEngine({ ...options, ...more })
      },
      network
    )
  })
}
