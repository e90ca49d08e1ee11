import { setTimeout as sleep } from 'node:timers/promises'
import type { Pod } from './pods.ts'

/** What a pod's manifest says about coming and going, and how late the rest of the cluster learns of it; milliseconds. */
export interface PodBudgets {
  preStopMs: number
  terminationGracePeriodMs: number
  readinessPath: string
  readinessPeriodMs: number
  /** From the deletion of a pod until the load balancer sends it nothing more. */
  endpointDelayMs: number
}

export interface Departure {
  exitCode: number | null
  /** Whether the grace period was over before it left. */
  killed: boolean
  /** From its deletion to its exit. */
  ms: number
}

/** Does with processes what Kubernetes does with the pods of a Deployment that is rolled with `maxUnavailable: 0`. */
export class Kubelet {
  readonly #start: () => Promise<Pod>
  readonly #point: (urls: readonly string[]) => Promise<void>
  readonly #budgets: PodBudgets
  #endpoints: Pod[] = []

  /** `point` makes the load balancer send new requests to these addresses. */
  constructor(
    start: () => Promise<Pod>,
    point: (urls: readonly string[]) => Promise<void>,
    budgets: PodBudgets
  ) {
    this.#start = start
    this.#point = point
    this.#budgets = budgets
  }

  get pods(): readonly Pod[] {
    return this.#endpoints
  }

  /** Starts a pod, and sends it requests when it is ready. */
  async create(): Promise<Pod> {
    const pod = await this.#start()
    const { readinessPath, readinessPeriodMs } = this.#budgets
    while ((await fetch(pod.url + readinessPath)).status !== 200) await sleep(readinessPeriodMs)
    await this.#setEndpoints([...this.#endpoints, pod])
    return pod
  }

  /** Endpoint removal and termination go side by side; the hook before the signal eats from the grace period. */
  async delete(pod: Pod): Promise<Departure> {
    const { preStopMs, terminationGracePeriodMs, endpointDelayMs } = this.#budgets
    const deletedAt = performance.now()
    let killed = false
    const killer = setTimeout(() => {
      killed = true
      pod.child.kill('SIGKILL')
    }, terminationGracePeriodMs)
    const removal = sleep(endpointDelayMs).then(() =>
      this.#setEndpoints(this.#endpoints.filter((endpoint) => endpoint !== pod))
    )
    await sleep(preStopMs)
    pod.child.kill('SIGTERM')
    const [exitCode] = await pod.exited
    clearTimeout(killer)
    const ms = performance.now() - deletedAt
    await removal
    return { exitCode, killed, ms }
  }

  /** Replaces every pod, one after the other: the new one is ready before the old one gets SIGTERM. */
  async roll(): Promise<Departure[]> {
    const departures: Departure[] = []
    for (const old of [...this.#endpoints]) {
      await this.create()
      departures.push(await this.delete(old))
    }
    return departures
  }

  /** Replaces every pod, as a StatefulSet does: the next one is started when the old one is gone. */
  async recreate(): Promise<Departure[]> {
    const departures: Departure[] = []
    for (const old of [...this.#endpoints]) {
      departures.push(await this.delete(old))
      await this.create()
    }
    return departures
  }

  async #setEndpoints(pods: Pod[]): Promise<void> {
    this.#endpoints = pods
    await this.#point(pods.map(({ url }) => url))
  }
}
