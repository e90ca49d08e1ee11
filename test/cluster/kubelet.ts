/** A small kubelet: a node of the cluster whose containers are processes of this machine. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CoordinationV1Api,
  CoreV1Api,
  type KubeConfig,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  V1MicroTime,
  type V1Pod
} from '@kubernetes/client-node'
import { Container, type Exit, type Image, makeVolumes, Waiting } from './container.ts'
import { onLoopback, podAddress } from './network.ts'
import { type Slot, statusOf } from './pod-status.ts'
import { keepWatching } from './watch.ts'

const heartbeatMs = 1_000

/** How a container of a deleted pod ended. */
export interface Departure extends Exit {
  namespace: string
  pod: string
  gracePeriod: number
  /** From the pod's deletion to the exit. */
  ms: number
}

export interface KubeletOptions {
  name: string
  /** Its number, which is in its pods' addresses. */
  number: number
  images: ReadonlyMap<string, Image>
  /** File with the addresses of Services by name. */
  hosts: string
  dir: string
}

export class Kubelet {
  readonly departures: Departure[] = []
  readonly name: string
  readonly #options: KubeletOptions
  readonly #core: CoreV1Api
  readonly #leases: CoordinationV1Api
  readonly #config: KubeConfig
  readonly #slots = new Map<string, Slot>()
  readonly #stopped = new AbortController()
  #informer: ReturnType<typeof makeInformer<V1Pod>> | undefined
  #pods = 0
  /** Cut off: what runs goes on, and nobody hears of it. */
  #silent = false

  constructor(config: KubeConfig, options: KubeletOptions) {
    this.name = options.name
    this.#options = options
    this.#config = config
    this.#core = config.makeApiClient(CoreV1Api)
    this.#leases = config.makeApiClient(CoordinationV1Api)
  }

  async start(): Promise<void> {
    const { name } = this
    await this.#core.createNode({
      body: { metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' } } }
    })
    await this.#leases.createNamespacedLease({
      namespace: 'kube-node-lease',
      body: { metadata: { name }, spec: { holderIdentity: name, leaseDurationSeconds: 40 } }
    })
    await this.#report()
    void this.#beat()
    const informer = makeInformer<V1Pod>(this.#config, '/api/v1/pods', () =>
      this.#core.listPodForAllNamespaces()
    )
    const see = (pod: V1Pod) => {
      if (pod.spec?.nodeName === name && !this.#silent) this.#see(pod)
    }
    informer.on('add', see)
    informer.on('update', see)
    informer.on('delete', (pod) => {
      // Deleted by force: the process goes at once.
      const slot = this.#slots.get(pod.metadata?.uid ?? '')
      if (slot && !this.#silent) {
        slot.over.abort()
        void slot.container?.kill()
      }
    })
    await keepWatching(informer, () => this.#stopped.signal.aborted)
    this.#informer = informer
  }

  /** Power off: nothing of it runs or reports any more. */
  async stop(): Promise<void> {
    this.#silent = true
    this.#stopped.abort()
    await this.#informer?.stop()
    for (const slot of this.#slots.values()) slot.over.abort()
    await Promise.all([...this.#slots.values()].map(({ container }) => container?.kill()))
  }

  /** The network to the API server is gone, the node is not. */
  cutOff(): void {
    this.#silent = true
  }

  async #beat(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      await sleep(heartbeatMs, undefined, { signal }).catch(() => {})
      if (!this.#silent) await this.#report().catch(() => {})
    }
  }

  async #report(): Promise<void> {
    const { name } = this
    const now = new Date()
    const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch)
    await this.#leases.patchNamespacedLease(
      { name, namespace: 'kube-node-lease', body: { spec: { renewTime: new V1MicroTime(now.getTime()) } } },
      merge
    )
    const room = { cpu: '64', memory: '256Gi', pods: '110', 'ephemeral-storage': '100Gi' }
    const reason = { reason: 'KubeletReady', message: 'ready', lastHeartbeatTime: now }
    const status = {
      capacity: room,
      allocatable: room,
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: this.#since, ...reason }],
      addresses: [{ type: 'Hostname', address: name }]
    }
    await this.#core.patchNodeStatus({ name, body: { status } }, merge)
  }
  readonly #since = new Date()

  #see(pod: V1Pod): void {
    const uid = pod.metadata?.uid ?? ''
    const known = this.#slots.get(uid)
    if (known) {
      known.pod = pod
      this.#noticeDeletion(known)
      return
    }
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') {
      if (pod.metadata?.deletionTimestamp) void this.#remove(pod).catch(() => {})
      return
    }
    const address = podAddress(this.#options.number, this.#pods++)
    const dir = join(this.#options.dir, `${pod.metadata?.name}-${uid.slice(0, 8)}`)
    mkdirSync(dir, { recursive: true })
    const slot: Slot = {
      pod,
      address,
      dir,
      restarts: 0,
      over: new AbortController(),
      done: Promise.resolve()
    }
    this.#slots.set(uid, slot)
    this.#noticeDeletion(slot)
    slot.done = this.#run(slot).catch((error) => {
      if (!this.#silent && !slot.over.signal.aborted)
        console.error(`${this.name}: ${pod.metadata?.name}:`, error)
    })
  }

  #noticeDeletion(slot: Slot): void {
    const { deletionTimestamp, deletionGracePeriodSeconds } = slot.pod.metadata ?? {}
    if (!deletionTimestamp) return
    const gracePeriod = deletionGracePeriodSeconds ?? 0
    if (slot.deletion && slot.deletion.gracePeriod <= gracePeriod) return
    slot.deletion = { gracePeriod, at: slot.deletion?.at ?? performance.now() }
    slot.over.abort()
    void slot.container?.stop(gracePeriod)
  }

  /** Runs the pod's container until the pod is over, and then tells the API server so. */
  async #run(slot: Slot): Promise<void> {
    const { signal } = slot.over
    const policy = slot.pod.spec?.restartPolicy ?? 'Always'
    while (!signal.aborted) {
      const exit = await this.#runOnce(slot)
      if (signal.aborted || !exit) break
      if (policy === 'Never' || (policy === 'OnFailure' && exit.exitCode === 0)) break
      slot.restarts++
      await this.#tell(slot)
      await sleep(Math.min(1000 * 2 ** (slot.restarts - 1), 10_000), undefined, { signal }).catch(() => {})
    }
    await this.#tell(slot)
    // One that ended by itself stays until somebody deletes it.
    while (!slot.deletion && !this.#stopped.signal.aborted) await sleep(100)
    if (!this.#silent) await this.#remove(slot.pod)
    this.#slots.delete(slot.pod.metadata?.uid ?? '')
  }

  async #runOnce(slot: Slot): Promise<Exit | undefined> {
    const container = await this.#startContainer(slot)
    if (!container) return undefined
    slot.container = container
    if (slot.deletion) void container.stop(slot.deletion.gracePeriod)
    void this.#tell(slot)
    container.probe(
      () => void this.#tell(slot),
      (gracePeriod) => void container.stop(gracePeriod ?? slot.pod.spec?.terminationGracePeriodSeconds ?? 30)
    )
    const exit = await container.exited
    container.ready = false
    slot.last = { exit, startedAt: container.startedAt, finishedAt: new Date() }
    delete slot.container
    if (slot.deletion) {
      const { gracePeriod, at } = slot.deletion
      this.departures.push({
        ...exit,
        namespace: slot.pod.metadata?.namespace ?? '',
        pod: slot.pod.metadata?.name ?? '',
        gracePeriod,
        ms: performance.now() - at
      })
    }
    return exit
  }

  /** Tries until it can be started, as for an image or a Secret that is not there yet. */
  async #startContainer(slot: Slot): Promise<Container | undefined> {
    const [spec] = slot.pod.spec?.containers ?? []
    if (!spec) throw new Error('a pod without a container')
    const { images, hosts } = this.#options
    const address = onLoopback(slot.address)
    while (!slot.over.signal.aborted) {
      try {
        const volumes = await makeVolumes(this.#core, slot.pod, join(slot.dir, 'volumes'))
        const container = await Container.start(this.#core, slot.pod, spec, volumes, {
          images,
          hosts,
          address,
          dir: slot.dir
        })
        delete slot.waiting
        return container
      } catch (error) {
        if (!(error instanceof Waiting)) throw error
        slot.waiting = error
        await this.#tell(slot)
        await sleep(500, undefined, { signal: slot.over.signal }).catch(() => {})
      }
    }
    return undefined
  }

  async #tell(slot: Slot): Promise<void> {
    if (this.#silent) return
    const { name = '', namespace = '' } = slot.pod.metadata ?? {}
    const body = { status: statusOf(slot) }
    const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch)
    // Gone, or deleted by force.
    await this.#core.patchNamespacedPodStatus({ name, namespace, body }, merge).catch(() => {})
  }

  async #remove(pod: V1Pod): Promise<void> {
    const { name = '', namespace = '', uid = '' } = pod.metadata ?? {}
    const body = { gracePeriodSeconds: 0, preconditions: { uid } }
    // Gone already, when it was deleted by force.
    await this.#core.deleteNamespacedPod({ name, namespace, body }).catch(() => {})
  }
}
