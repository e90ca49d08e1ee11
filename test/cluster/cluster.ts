/** A cluster to install the chart in: a real control plane, nodes that are ours, and the real Helm and kubectl. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { AppsV1Api, CoreV1Api, DiscoveryV1Api } from '@kubernetes/client-node'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { chart, type Values } from '../helm/chart.ts'
import type { Image } from './container.ts'
import { assets, startControlPlane } from './control-plane.ts'
import { type Departure, Kubelet } from './kubelet.ts'
import { onLoopback } from './network.ts'
import { startServices } from './services.ts'

const run = promisify(execFile)
const program = fileURLToPath(new URL('../../dist/src/server.js', import.meta.url))

/** What the Dockerfile says of the image. */
const service: Image = {
  command: ['node', program],
  env: { NODE_ENV: 'production', TASK_STORE_URL: 'sqlite:/data/tasks.db' }
}
/** Images by the name that a pod's spec has; what is not here cannot be pulled. */
export const images = new Map<string, Image>([
  ['lastcall:1', service],
  ['lastcall:2', service],
  // Starts, and is never ready.
  ['lastcall:stuck', { command: ['node', '-e', 'setInterval(() => {}, 1000)'], env: {} }]
])

/** The Helms that there are, each by its major version. */
export const helms: Record<string, string> = Object.fromEntries(
  ['4', '3']
    .map((major) => [major, join(assets, `helm${major}`)])
    .filter(([, path]) => existsSync(path ?? ''))
)
if (Object.keys(helms).length === 0) helms['on PATH'] = process.env.HELM || 'helm'

interface Result {
  ok: boolean
  /** Both streams. */
  text: string
}

export async function startCluster(t: Test, nodes = 3) {
  // Not in the repository: paths of sockets are short.
  const dir = await mkdtemp(join(tmpdir(), 'cluster-'))
  t.teardown(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }))
  const { config, kubeconfig } = await startControlPlane(t, join(dir, 'control-plane'))
  const { hosts } = await startServices(t, config, join(dir, 'services'))
  const kubelets: Kubelet[] = []
  const addNode = async (): Promise<Kubelet> => {
    const number = kubelets.length
    const name = `node-${number + 1}`
    const kubelet = new Kubelet(config, { name, number, images, hosts, dir: join(dir, name) })
    kubelets.push(kubelet)
    await kubelet.start()
    return kubelet
  }
  for (let n = 0; n < nodes; n++) await addNode()
  // Registered last, so run first: pods go before their API server.
  const stopNodes = () => Promise.all(kubelets.map((kubelet) => kubelet.stop()))
  t.teardown(stopNodes)

  const execute = async (file: string, args: string[], input?: string): Promise<Result> => {
    const child = run(file, args, {
      env: { PATH: process.env.PATH, HOME: dir, KUBECONFIG: kubeconfig },
      maxBuffer: 64 * 1024 * 1024
    })
    if (input !== undefined) child.child.stdin?.end(input)
    return child.then(
      ({ stdout, stderr }) => ({ ok: true, text: stdout + stderr }),
      (error) => ({ ok: false, text: `${error.stdout}${error.stderr}` || String(error) })
    )
  }
  const core = config.makeApiClient(CoreV1Api)
  const apps = config.makeApiClient(AppsV1Api)
  const discovery = config.makeApiClient(DiscoveryV1Api)
  const kubectl = (...args: string[]) => execute(join(assets, 'kubectl'), args)

  for (const file of readdirSync(new URL('crds', import.meta.url))) {
    const definition = fileURLToPath(new URL(`crds/${file}`, import.meta.url))
    await must(kubectl('apply', '--server-side', '-f', definition))
    const { metadata } = parse(readFileSync(definition, 'utf8'))
    await must(kubectl('wait', '--for=condition=Established', `crd/${metadata.name}`, '--timeout=60s'))
  }

  return {
    dir,
    core,
    apps,
    discovery,
    kubelets,
    addNode,
    kubectl,
    /** How every container of a deleted pod ended. */
    departures: (): Departure[] => kubelets.flatMap(({ departures }) => departures),
    /** Runs one of `helms` with values; the chart is the repository's unless another path is given. */
    helm: (version: string, args: string[], values: Values = {}) =>
      execute(helms[version] ?? '', [...args, '--values', '-'], JSON.stringify(values)),
    helmWithoutValues: (version: string, args: string[]) => execute(helms[version] ?? '', args),
    /** A namespace of its own, once its service account is there. */
    namespace: async (name: string) => {
      await core.createNamespace({ body: { metadata: { name } } })
      await until(`service account of ${name}`, () =>
        core.readNamespacedServiceAccount({ namespace: name, name: 'default' }).then(
          () => true,
          () => false
        )
      )
      return name
    },
    /** A volume for one claim of the class `local`. */
    volume: async (name: string) => {
      await core.createPersistentVolume({
        body: {
          metadata: { name },
          spec: {
            capacity: { storage: '2Gi' },
            accessModes: ['ReadWriteOnce'],
            storageClassName: 'local',
            persistentVolumeReclaimPolicy: 'Retain',
            hostPath: { path: join(dir, 'volumes', name) }
          }
        }
      })
    },
    /** Where a Service is, seen from here. */
    urlOf: async (namespace: string, name: string) => {
      const { spec } = await core.readNamespacedService({ namespace, name })
      return `http://${onLoopback(spec?.clusterIP ?? '')}:${spec?.ports?.[0]?.port}`
    },
    pods: async (namespace: string) => {
      const labelSelector = 'app.kubernetes.io/component=service'
      return (await core.listNamespacedPod({ namespace, labelSelector })).items
    },
    /** Conditions of the endpoints of a Service, by the name of the pod. */
    endpoints: async (namespace: string, service: string) => {
      const labelSelector = `kubernetes.io/service-name=${service}`
      const { items } = await discovery.listNamespacedEndpointSlice({ namespace, labelSelector })
      return new Map(
        items.flatMap(({ endpoints }) =>
          (endpoints ?? []).map(({ targetRef, conditions }) => [targetRef?.name ?? '', conditions] as const)
        )
      )
    }
  }
}

export type Cluster = Awaited<ReturnType<typeof startCluster>>

export { chart }

/** The text of a command that has to succeed. */
export async function must(result: Promise<Result>): Promise<string> {
  const { ok, text } = await result
  if (!ok) throw new Error(text)
  return text
}

/** Asks until the answer is true-ish, and returns it. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  seconds = 60
): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (performance.now() > deadline) throw new Error(`${what}: not within ${seconds} s`)
    await sleep(100)
  }
}
