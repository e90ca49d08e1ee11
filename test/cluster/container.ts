/** A pod's container as a process: its image is a program here, its mounts are folders, its network is loopback. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CoreV1Api, V1Container, V1Pod, V1Probe } from '@kubernetes/client-node'
import { track } from './children.ts'
import { onLoopback } from './network.ts'

/** What an image is here: a command, and the environment that its Dockerfile gives. */
export interface Image {
  command: string[]
  env: Record<string, string>
}

/** Why a container cannot be started yet. */
export class Waiting extends Error {
  readonly reason: string

  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

const decode = (data: Record<string, string> = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()])
  )

const isMissing = (error: unknown): boolean => (error as { code?: number }).code === 404

/** The data of a ConfigMap or Secret; empty if it may be missing. */
async function read(
  kind: 'ConfigMap' | 'Secret',
  api: CoreV1Api,
  namespace: string,
  name: string,
  optional = false
): Promise<Record<string, string>> {
  try {
    if (kind === 'ConfigMap') return (await api.readNamespacedConfigMap({ namespace, name })).data ?? {}
    return decode((await api.readNamespacedSecret({ namespace, name })).data)
  } catch (error) {
    if (!isMissing(error)) throw error
    if (optional) return {}
    throw new Waiting('CreateContainerConfigError', `${kind} ${name} is not there`)
  }
}

/** The environment in Kubernetes' order: later sources win, and env over envFrom. */
async function environmentOf(api: CoreV1Api, namespace: string, container: V1Container) {
  const environment: Record<string, string> = {}
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    const [kind, ref] = configMapRef
      ? (['ConfigMap', configMapRef] as const)
      : (['Secret', secretRef] as const)
    Object.assign(environment, await read(kind, api, namespace, ref?.name ?? '', ref?.optional))
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const secret = valueFrom?.secretKeyRef
    if (!secret) {
      environment[name] = value ?? ''
      continue
    }
    const found = (await read('Secret', api, namespace, secret.name ?? '', secret.optional))[secret.key]
    if (found !== undefined) environment[name] = found
    else if (!secret.optional) throw new Waiting('CreateContainerConfigError', `${secret.key} is not there`)
  }
  return environment
}

/** Makes the folder behind each volume of a pod, below `dir`; a claim's is its volume's. */
export async function makeVolumes(api: CoreV1Api, pod: V1Pod, dir: string): Promise<Map<string, string>> {
  const namespace = pod.metadata?.namespace ?? ''
  const folders = new Map<string, string>()
  for (const volume of pod.spec?.volumes ?? []) {
    const folder = join(dir, volume.name)
    folders.set(volume.name, folder)
    if (volume.persistentVolumeClaim) {
      const name = volume.persistentVolumeClaim.claimName
      const claim = await api.readNamespacedPersistentVolumeClaim({ namespace, name })
      const path = (await api.readPersistentVolume({ name: claim.spec?.volumeName ?? '' })).spec?.hostPath
        ?.path
      if (!path) throw new Waiting('CreateContainerError', `claim ${name} is not bound`)
      await mkdir(path, { recursive: true })
      folders.set(volume.name, path)
      continue
    }
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    if (!volume.configMap && !volume.secret) continue
    const data = volume.configMap
      ? await read('ConfigMap', api, namespace, volume.configMap.name ?? '', volume.configMap.optional)
      : await read('Secret', api, namespace, volume.secret?.secretName ?? '', volume.secret?.optional)
    // As a kubelet does it: links to links.
    await mkdir(join(folder, '..data-1'))
    await symlink('..data-1', join(folder, '..data'))
    for (const [key, text] of Object.entries(data)) {
      await writeFile(join(folder, '..data-1', key), text)
      await symlink(`..data/${key}`, join(folder, key))
    }
  }
  return folders
}

export interface Exit {
  exitCode: number
  signal: NodeJS.Signals | null
  /** Whether it had to be killed. */
  killed: boolean
}

/** A container that runs. */
export class Container {
  readonly spec: V1Container
  readonly startedAt = new Date()
  readonly exited: Promise<Exit>
  ready = false
  readonly #child: ChildProcess
  readonly #address: string
  readonly #probing = new AbortController()
  #killed = false
  #stopping: Promise<Exit> | undefined
  #killer: NodeJS.Timeout | undefined

  private constructor(spec: V1Container, child: ChildProcess, address: string) {
    this.spec = spec
    this.#child = child
    this.#address = address
    this.exited = once(child, 'exit').then(([code, signal]) => {
      clearTimeout(this.#killer)
      this.#probing.abort()
      return { exitCode: code ?? 137, signal, killed: this.#killed }
    })
  }

  /** Starts it on its pod's address; `hosts` is a file with the names of Services. Throws Waiting. */
  static async start(
    api: CoreV1Api,
    pod: V1Pod,
    spec: V1Container,
    volumes: Map<string, string>,
    options: { images: ReadonlyMap<string, Image>; address: string; hosts: string; dir: string }
  ): Promise<Container> {
    const image = options.images.get(spec.image ?? '')
    if (!image) throw new Waiting('ImagePullBackOff', `there is no image ${spec.image}`)
    const namespace = pod.metadata?.namespace ?? ''
    const environment = await environmentOf(api, namespace, spec)
    const env: Record<string, string> = { ...image.env, ...environment }
    for (const { name, mountPath } of spec.volumeMounts ?? []) {
      const mounted = new RegExp(`(^|:)${mountPath}(?=/|$)`)
      for (const [key, value] of Object.entries(env))
        env[key] = value.replace(mounted, (_, before: string) => before + volumes.get(name))
      if (mountPath === '/tmp') env.TMPDIR = env.SQLITE_TMPDIR = volumes.get(name) ?? ''
    }
    // In place of a network of its own: the one address on which it may listen, and a resolver.
    if ('HOST' in env) env.HOST = options.address
    if (spec.command) {
      env.NODE_OPTIONS = `--import=${new URL('resolver.mjs', import.meta.url).href}`
      env.CLUSTER_HOSTS = options.hosts
      env.CLUSTER_NAMESPACE = namespace
    }
    const [program = '', ...words] = [...(spec.command ?? image.command), ...(spec.args ?? [])]
    const log = openSync(join(options.dir, `${spec.name}.log`), 'a')
    const child = track(
      spawn(program === 'node' ? process.execPath : program, words, {
        env: { PATH: process.env.PATH ?? '', ...env },
        stdio: ['ignore', log, log]
      })
    )
    return new Container(spec, child, options.address)
  }

  /** Asks its probes until it has exited: `onReady` is told of each change, `onDead` when it should be restarted. */
  probe(onReady: () => void, onDead: (gracePeriod: number | undefined) => void): void {
    const { startupProbe, livenessProbe, readinessProbe } = this.spec
    const { signal } = this.#probing
    const restart = (probe: V1Probe) => () => {
      // A pod that terminates is not restarted.
      if (!this.#stopping) onDead(probe.terminationGracePeriodSeconds)
    }
    const begin = async () => {
      if (startupProbe) {
        let started = false
        await this.#ask(startupProbe, restart(startupProbe), () => {
          started = true
          return 'enough'
        })
        if (!started) return
      }
      if (livenessProbe) void this.#ask(livenessProbe, restart(livenessProbe)).catch(() => {})
      const become = (ready: boolean) => {
        if (this.ready === ready) return
        this.ready = ready
        onReady()
      }
      if (!readinessProbe) return become(true)
      await this.#ask(
        readinessProbe,
        () => become(false),
        () => become(true)
      )
    }
    void begin().catch((error) => {
      if (!signal.aborted) throw error
    })
  }

  async #ask(probe: V1Probe, onFailure: () => void, onSuccess: () => unknown = () => {}): Promise<void> {
    const { periodSeconds = 10, timeoutSeconds = 1, failureThreshold = 3, httpGet } = probe
    const { signal } = this.#probing
    const named = this.spec.ports?.find(({ name }) => name === httpGet?.port)?.containerPort
    const url = `http://${this.#address}:${named ?? httpGet?.port}${httpGet?.path ?? '/'}`
    for (let failures = 0; !signal.aborted; ) {
      const ok = await fetch(url, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutSeconds * 1000)])
      }).then(
        async (response) => {
          await response.arrayBuffer()
          return response.ok
        },
        () => false
      )
      if (signal.aborted) return
      failures = ok ? 0 : failures + 1
      if (ok && onSuccess() === 'enough') return
      if (failures === failureThreshold) onFailure()
      await sleep(periodSeconds * 1000, undefined, { signal })
    }
  }

  /** The hook, the signal and, when the grace period is over, the end. A later call may only shorten the period. */
  stop(gracePeriodSeconds: number): Promise<Exit> {
    const kill = () => {
      this.#killed = true
      this.#child.kill('SIGKILL')
    }
    clearTimeout(this.#killer)
    this.#killer = setTimeout(kill, gracePeriodSeconds * 1000)
    this.#stopping ??= (async () => {
      const hook = this.spec.lifecycle?.preStop?.sleep?.seconds ?? 0
      await Promise.race([sleep(Math.min(hook, gracePeriodSeconds) * 1000), this.exited])
      this.#child.kill('SIGTERM')
      return this.exited
    })()
    return this.#stopping
  }

  kill(): Promise<Exit> {
    this.#child.kill('SIGKILL')
    return this.exited
  }
}

/** Where a pod's processes are, seen from here. */
export const addressOf = (pod: V1Pod): string => onLoopback(pod.status?.podIP ?? '')
