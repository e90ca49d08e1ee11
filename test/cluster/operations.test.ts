import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Values } from '../helm/chart.ts'
import { needsRedis, startRedis } from '../redis.ts'
import { Client } from '../system/client.ts'
import { loadTypes } from '../system/load.ts'
import { gatedTask } from '../system/service.ts'
import { soak } from '../system/soak.ts'
import { type Cluster, chart, helms, must, startCluster, until } from './cluster.ts'
import { needsControlPlane } from './control-plane.ts'
import { startLoad } from './load.ts'

t.setTimeout(soak ? 7_200_000 : 1_500_000)
// One after the other: they take nodes away.
t.jobs = 1

const skip = needsControlPlane || needsRedis()
const rounds = soak ? 100 : 10
const [major = ''] = skip ? [] : Object.keys(helms)

const quick: Values = {
  image: { repository: 'lastcall', tag: '1' },
  service: { port: 8080 },
  preStopSleepSeconds: 2,
  minReadySeconds: 1,
  terminationMarginSeconds: 5,
  // No power is cut here, and a disk that others keep busy must not decide.
  config: { GRACEFUL_SHUTDOWN_TIMEOUT: 6, CANCEL_GRACE: 2, MAX_WORKERS: 8, STORE_SYNC: 'normal' },
  startupProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 1, failureThreshold: 60 },
  readinessProbe: { periodSeconds: 1, failureThreshold: 2 },
  tasks: { modules: { ...loadTypes, 'gated.mjs': gatedTask(`timeoutSeconds: 600,`) } }
}
const distributed: Values = { engine: 'distributed', replicaCount: 3, redis: { existingSecret: 'redis' } }
const embedded: Values = { persistence: { storageClass: 'local' } }

let shared: Promise<Cluster> | undefined
const theCluster = () => {
  shared ??= startCluster(t)
  return shared
}

/** A release of its own, in a namespace of its own. */
async function install(t: Test, namespace: string, values: Values) {
  const cluster = await theCluster()
  await cluster.namespace(namespace)
  const redis = await startRedis(t)
  await cluster.core.createNamespacedSecret({
    namespace,
    body: { metadata: { name: 'redis' }, stringData: { url: redis.url } }
  })
  await cluster.volume(namespace)
  const flags = ['--namespace', namespace, '--wait', '--timeout', '180s']
  await must(cluster.helm(major, ['install', 'lastcall', chart, ...flags], { ...quick, ...values }))
  const url = await cluster.urlOf(namespace, 'lastcall')
  const kubectl = (...args: string[]) => must(cluster.kubectl('--namespace', namespace, ...args))
  const workload = values.engine === 'distributed' ? 'deployment/lastcall' : 'statefulset/lastcall'
  t.teardown(async () => {
    await cluster.helmWithoutValues(major, ['uninstall', 'lastcall', '--namespace', namespace])
  })
  return {
    cluster,
    redis,
    url,
    kubectl,
    workload,
    flags,
    upgrade: (more: Values) =>
      cluster.helm(major, ['upgrade', 'lastcall', chart, '--reset-then-reuse-values', ...flags], more),
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

t.test(`${rounds} rolling updates of three pods under load`, { skip }, async (t) => {
  const release = await install(t, 'rolling', distributed)
  const load = startLoad(t, release.cluster, release.url, 'rolling', false)
  for (let round = 1; round <= rounds; round++) {
    // By turns, as people do it: a setting, an image, a restart.
    if (round % 3 === 0) await release.kubectl('rollout', 'restart', release.workload)
    else
      await must(
        release.upgrade({ image: { tag: String(1 + (round % 2)) }, config: { MAX_PENDING: 1000 + round } })
      )
    await release.rolledOut()
    await release.gone(3)
    t.comment(`round ${round}: ${load.posted()} tasks so far`)
  }
  await load.check()
  release.checkDepartures(t, 3 * rounds)
})

t.test(`${rounds} rolling updates of the one pod on a volume under load`, { skip }, async (t) => {
  const release = await install(t, 'replacing', embedded)
  const load = startLoad(t, release.cluster, release.url, 'replacing', true)
  for (let round = 1; round <= rounds; round++) {
    if (round % 2 === 0) await release.kubectl('rollout', 'restart', release.workload)
    else await must(release.upgrade({ config: { MAX_PENDING: 1000 + round } }))
    await release.rolledOut()
    t.comment(`round ${round}: ${load.posted()} tasks so far`)
  }
  // Between two pods nobody answers.
  await load.check({ unanswered: true })
  release.checkDepartures(t, rounds)
})

t.test('scaled to one, to three, to none and back under load', { skip }, async (t) => {
  const release = await install(t, 'scaling', distributed)
  const load = startLoad(t, release.cluster, release.url, 'scaling', false)
  for (const replicas of [1, 3, 0, 3]) {
    await release.kubectl('scale', release.workload, `--replicas=${replicas}`)
    await release.gone(replicas)
    if (replicas > 0) await release.rolledOut()
  }
  // While there was none, the gateway had nobody to send requests to.
  await load.check({ unanswered: true })
  release.checkDepartures(t, 5)
  // kubectl is the owner of the number now; Helm has to get it back.
  t.match(await release.upgrade({ replicaCount: 2 }), { ok: true }, 'helm upgrade after kubectl scale')
  await release.gone(2)
})

t.test('the one pod on a volume is scaled to none and back', { skip }, async (t) => {
  const release = await install(t, 'sleeping', embedded)
  const load = startLoad(t, release.cluster, release.url, 'sleeping', true)
  await sleep(1000)
  await release.kubectl('scale', release.workload, '--replicas=0')
  await release.gone(0)
  await release.kubectl('scale', release.workload, '--replicas=1')
  await release.gone(1)
  await release.rolledOut()
  await load.check({ unanswered: true })
  release.checkDepartures(t, 1)
})

t.test('a node is drained: its pods are evicted one at a time, as the budget says', { skip }, async (t) => {
  const release = await install(t, 'draining', distributed)
  const load = startLoad(t, release.cluster, release.url, 'draining', false)
  // All on one node, so that its drain would take all of them at once.
  const nodes = release.cluster.kubelets.map(({ name }) => name)
  const [full = '', ...others] = nodes
  for (const node of others) await release.kubectl('cordon', node)
  await release.kubectl('rollout', 'restart', release.workload)
  await release.rolledOut()
  await release.gone(3)
  for (const node of others) await release.kubectl('uncordon', node)
  let fewest = 3
  let watching = true
  const watch = (async () => {
    while (watching) {
      const ready = [...(await release.endpoints()).values()].filter((conditions) => conditions?.ready)
      fewest = Math.min(fewest, ready.length)
      await sleep(100)
    }
  })()
  const text = await release.kubectl(
    'drain',
    full,
    '--ignore-daemonsets',
    '--delete-emptydir-data',
    '--timeout=180s'
  )
  t.match(text, 'evicting pod draining/')
  await release.gone(3)
  await release.rolledOut()
  watching = false
  await watch
  t.ok(fewest >= 2, `never fewer than ${fewest} ready`)
  await release.kubectl('uncordon', full)
  await load.check()
  release.checkDepartures(t, 6)
})

t.test('a pod that is deleted with a second of grace loses no task', { skip }, async (t) => {
  const release = await install(t, 'hasty', distributed)
  const load = startLoad(t, release.cluster, release.url, 'hasty', false)
  await sleep(2000)
  const [pod] = await release.pods()
  await release.kubectl('delete', 'pod', String(pod?.metadata?.name), '--grace-period=1')
  await release.gone(3)
  await release.rolledOut()
  const departure = release.cluster.departures().find((one) => one.pod === pod?.metadata?.name)
  t.match(departure, { gracePeriod: 1, killed: true }, 'the hook alone was longer')
  await load.check({ mayBeLost: true, unanswered: true })
})

t.test('a node is lost: others take its pods and its tasks', { skip }, async (t) => {
  const release = await install(t, 'losing', distributed)
  const load = startLoad(t, release.cluster, release.url, 'losing', false)
  await sleep(2000)
  const extra = await release.cluster.addNode()
  const nodes = release.cluster.kubelets.filter(({ name }) => name !== extra.name)
  for (const { name } of nodes) await release.kubectl('cordon', name)
  const [pod] = await release.pods()
  await release.kubectl('delete', 'pod', String(pod?.metadata?.name), '--wait=false')
  const onExtra = await until('a pod on the node', async () =>
    (await release.pods()).find(
      ({ spec, status }) =>
        spec?.nodeName === extra.name &&
        status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
    )
  )
  for (const { name } of nodes) await release.kubectl('uncordon', name)
  await sleep(1000)
  // Its power fails: nothing runs there, and nobody says so.
  await extra.stop()
  await until(
    'a successor elsewhere',
    async () => {
      const pods = await release.pods()
      return (
        pods.filter(
          ({ spec, status }) =>
            spec?.nodeName !== extra.name &&
            status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
        ).length >= 3
      )
    },
    120
  )
  t.notOk(
    (await release.endpoints()).get(onExtra.metadata?.name ?? '')?.ready,
    'the lost pod gets no more requests'
  )
  await release.kubectl('delete', 'pod', String(onExtra.metadata?.name), '--force', '--grace-period=0')
  await release.kubectl('delete', 'node', extra.name)
  await load.check({ mayBeLost: true, unanswered: true })
})

t.test('a drain of more than a minute in a rollout, with the default probes', { skip }, async (t) => {
  const { readinessProbe: _, startupProbe: __, ...rest } = quick
  const config = { GRACEFUL_SHUTDOWN_TIMEOUT: 120, CANCEL_GRACE: 1, MAX_WORKERS: 8 }
  const release = await install(t, 'long', { ...rest, ...distributed, replicaCount: 2, config })
  const client = new Client(() => release.url)
  t.teardown(() => client.close())
  const gate = `${release.cluster.dir}/long-gate`
  const { body } = await client.start({ type: 'gated', input: { gate } }, 'long')
  const following = client.follow(body.taskId)
  await following.seen(({ type }) => type === 'task_started')

  const begun = performance.now()
  const old = (await release.pods()).map(({ metadata }) => metadata?.name ?? '')
  await release.kubectl('rollout', 'restart', release.workload)
  await release.rolledOut()
  // The pod with the task is out of the Service, and is still there.
  const left = await until('one old pod', async () => {
    const names = (await release.pods()).map(({ metadata }) => metadata?.name ?? '')
    const still = old.filter((name) => names.includes(name))
    return still.length === 1 && still
  })
  const connections = following.connections
  while (performance.now() - begun < 65_000) {
    await sleep(1000)
    const conditions = (await release.endpoints()).get(left[0] ?? '')
    if (conditions) t.match(conditions, { ready: false, terminating: true })
  }
  t.equal(following.connections, connections, 'its stream was never cut')
  t.match(await client.get(body.taskId), { body: { status: 'running', attempt: 1 } })
  await writeFile(gate, '')
  t.equal(await following.done, 'ended')
  const ended = performance.now()
  await release.gone(2)
  t.ok(performance.now() - ended < 10_000, 'and it left with its last task')
  t.match(await client.get(body.taskId), { body: { status: 'completed', attempt: 1 } })
  release.checkDepartures(t, 2)
})
