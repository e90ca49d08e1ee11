import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Client } from '../system/retrying-client.ts'
import { until } from './cluster.ts'
import { distributed, install, quick, skip } from './release.ts'

t.setTimeout(600_000)
// One after the other: they share a cluster and a machine.
t.jobs = 1

t.test('a drain of more than a minute in a rollout, with the default probes', { skip }, async (t) => {
  const { readinessProbe: _, startupProbe: __, ...rest } = quick
  const config = { GRACEFUL_SHUTDOWN_TIMEOUT: 120, CANCEL_GRACE: 1, MAX_WORKERS: 8 }
  const release = await install(t, 'long', {
    ...rest,
    ...distributed,
    replicaCount: 2,
    config
  })
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
