import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startLoad } from './load.ts'
import { distributed, embedded, install, skip } from './release.ts'

t.setTimeout(900_000)
// One after the other: they share a cluster and a machine.
t.jobs = 1

t.test('scaled to one, to three, to none and back under load', { skip }, async (t) => {
  const release = await install(t, 'scaling', distributed)
  const load = startLoad(t, release, 'scaling', false)
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
  const load = startLoad(t, release, 'sleeping', true)
  await sleep(1000)
  await release.kubectl('scale', release.workload, '--replicas=0')
  await release.gone(0)
  await release.kubectl('scale', release.workload, '--replicas=1')
  await release.gone(1)
  await release.rolledOut()
  await load.check({ unanswered: true })
  release.checkDepartures(t, 1)
})
