/** Releases of the chart on a cluster, and what tests do with them. */
import file, { type Test } from 'tap'
import type { Values } from '../helm/chart.ts'
import { needsRedis, startRedis } from '../redis.ts'
import { loadTypes } from '../system/load.ts'
import { taskFile } from '../task-files.ts'
import { type Cluster, chart, helms, must, startCluster, until } from './cluster.ts'
import { needsControlPlane } from './control-plane.ts'

export const skip = needsControlPlane || needsRedis()
/** The Helms that there are, the newest first. An object has its keys in ascending order if they are numbers. */
export const majors = skip ? ['4', '3'] : Object.keys(helms).toReversed()

export const quick: Values = {
  image: { repository: 'lastcall', tag: '1' },
  service: { port: 8080 },
  preStopSleepSeconds: 2,
  minReadySeconds: 1,
  terminationMarginSeconds: 5,
  // No power is cut here, and a disk that others keep busy must not decide.
  config: { GRACEFUL_SHUTDOWN_TIMEOUT: 6, CANCEL_GRACE: 2, MAX_WORKERS: 8, STORE_SYNC: 'normal' },
  startupProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 1, failureThreshold: 60 },
  readinessProbe: { periodSeconds: 1, failureThreshold: 2 },
  tasks: { modules: { ...loadTypes, 'gated.mjs': taskFile('gated', 'timeoutSeconds: 600') } }
}
export const distributed: Values = {
  engine: 'distributed',
  replicaCount: 3,
  redis: { existingSecret: 'redis' }
}
export const embedded: Values = { persistence: { storageClass: 'local' } }

/** The cluster of a test file, which ends with the file. */
let started: Promise<Cluster> | undefined

/** A release of its own, in a namespace of its own, by the newest Helm unless another is named. */
export async function install(t: Test, namespace: string, values: Values, major = majors[0] ?? '') {
  started ??= startCluster(file)
  const cluster = await started
  await cluster.namespace(namespace)
  const redis = await startRedis(t)
  await cluster.core.createNamespacedSecret({
    namespace,
    body: { metadata: { name: 'redis' }, stringData: { url: redis.url } }
  })
  await cluster.volume(namespace)
  const flags = ['--namespace', namespace, '--wait', '--timeout', '180s']
  let url = ''
  const install = async () => {
    await must(cluster.helm(major, ['install', 'lastcall', chart, ...flags], { ...quick, ...values }))
    url = await cluster.urlOf(namespace, 'lastcall')
  }
  await install()
  const kubectl = (...args: string[]) => must(cluster.kubectl('--namespace', namespace, ...args))
  const workload = values.engine === 'distributed' ? 'deployment/lastcall' : 'statefulset/lastcall'
  t.teardown(async () => {
    await cluster.helmWithoutValues(major, ['uninstall', 'lastcall', '--namespace', namespace])
  })
  return {
    cluster,
    redis,
    /** Where its Service is; another place once it was installed again. */
    get url() {
      return url
    },
    kubectl,
    workload,
    flags,
    upgrade: (more: Values) =>
      cluster.helm(major, ['upgrade', 'lastcall', chart, '--reset-then-reuse-values', ...flags], more),
    /** Back to the revision before. */
    rollback: () => must(cluster.helmWithoutValues(major, ['rollback', 'lastcall', ...flags])),
    uninstall: async () => {
      await must(cluster.helmWithoutValues(major, ['uninstall', 'lastcall', ...flags]))
      await until('no pods', async () => (await cluster.pods(namespace)).length === 0)
    },
    installAgain: install,
    rolledOut: () => kubectl('rollout', 'status', workload, '--timeout=180s'),
    pods: () => cluster.pods(namespace),
    endpoints: () => cluster.endpoints(namespace, 'lastcall'),
    gone: (count: number) =>
      until(`${count} pods`, async () => (await cluster.pods(namespace)).length === count, 120),
    /** Asserts that every pod that went since then left by itself and in time. */
    checkDepartures: (t: Test, atLeast: number) => {
      const departures = cluster.departures().filter((departure) => departure.namespace === namespace)
      const slow = departures.filter(
        ({ exitCode, killed, ms, gracePeriod }) => exitCode !== 0 || killed || ms > gracePeriod * 1000
      )
      t.ok(departures.length >= atLeast, `${departures.length} pods left`)
      t.strictSame(slow, [], 'each by itself, within its grace period')
    }
  }
}
