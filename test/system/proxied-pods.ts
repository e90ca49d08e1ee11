import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { type Fault, type FaultProxy, startFaultProxy } from '../fault-proxy.ts'
import { type Pod, setUpPods } from './pods.ts'
import type { seededRandom } from './random.ts'

export interface ProxiedPod {
  pod: Pod
  proxy: FaultProxy
}

/** Pods that reach Redis through proxies of their own. */
export async function setUpProxiedPods(
  t: Test,
  types: Record<string, string>,
  settings: Record<string, string>,
  choose?: (pods: readonly Pod[]) => Pod | undefined
) {
  const service = await setUpPods(t, types, settings, choose)
  const startBehindProxy = async (): Promise<ProxiedPod> => {
    const proxy = await startFaultProxy(t, service.redis.port)
    return { pod: await service.start({ TASK_STORE_URL: proxy.url }), proxy }
  }
  return { ...service, startBehindProxy }
}

export const networkFaults = ['reset', 'loseAnswer', 'halfOpen', 'stall', 'latency', 'bandwidth'] as const
export type NetworkFault = (typeof networkFaults)[number]

// A half-open connection is noticed after two seconds, and the lease is renewed on the next one.
const healsInMs: Record<Fault, number> = { reset: 200, loseAnswer: 200, stall: 1_500, halfOpen: 6_000 }

/** Does one kind of fault to proxies at random moments for so long; resolves with how often it did. */
export async function inflict(
  fault: NetworkFault,
  proxies: readonly FaultProxy[],
  random: ReturnType<typeof seededRandom>,
  ms: number
): Promise<number> {
  if (fault === 'latency' || fault === 'bandwidth') {
    for (const proxy of proxies) {
      // There and back it is 200 ms ± 100.
      if (fault === 'latency') proxy.delay(100, 50, random)
      else proxy.throttle(1_000_000)
    }
    await sleep(ms)
    for (const proxy of proxies) proxy.calm()
    return 1
  }
  const until = performance.now() + ms
  for (let strikes = 0; ; strikes++) {
    if (performance.now() >= until) return strikes
    const proxy = random.pick(proxies)
    if (fault === 'halfOpen' || random.below(2) === 0) proxy.strikeAll(fault, 1_000)
    else proxy.strikeOne(fault, random, 1_000)
    await sleep(healsInMs[fault] / 2 + random.below(healsInMs[fault]))
  }
}
