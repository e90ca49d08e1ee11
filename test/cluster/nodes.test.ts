import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { until } from './cluster.ts'
import { startLoad } from './load.ts'
import { distributed, install, skip } from './release.ts'

t.setTimeout(900_000)
// One after the other: they share a cluster and a machine.
t.jobs = 1

t.test('a node is drained: its pods are evicted one at a time, as the budget says', { skip }, async (t) => {
  const release = await install(t, 'draining', distributed)
  const load = startLoad(t, release, 'draining', false)
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
  const load = startLoad(t, release, 'hasty', false)
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
  const load = startLoad(t, release, 'losing', false)
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
