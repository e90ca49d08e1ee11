import t from 'tap'
import type { Values } from '../helm/chart.ts'
import { soak } from '../system/soak.ts'
import { must } from './cluster.ts'
import { startLoad } from './load.ts'
import { distributed, embedded, install, majors, skip } from './release.ts'

t.setTimeout(soak ? 7_200_000 : 1_500_000)
// They wait more than they compute.
t.jobs = 2

/** With each engine. */
const perHelm = soak ? 50 : Number(process.env.LASTCALL_ROLLOUTS ?? 5)

/** The n-th update, by turns as people do it: new values, a restart, a rollback. */
async function rollOut(
  release: Awaited<ReturnType<typeof install>>,
  round: number,
  values: Values
): Promise<void> {
  if (round % 3 === 2) await release.kubectl('rollout', 'restart', release.workload)
  else if (round % 3 === 0) await release.rollback()
  else await must(release.upgrade(values))
  await release.rolledOut()
}

for (const major of majors) {
  const helm = major.replaceAll(/\W/g, '').toLowerCase()

  t.test(`Helm ${major}: ${perHelm} rolling updates of three pods under load`, { skip }, async (t) => {
    const release = await install(t, `rolling-${helm}`, distributed, major)
    const load = startLoad(t, release, `rolling-${helm}`, false)
    for (let round = 1; round <= perHelm; round++) {
      const image = { tag: String(1 + (round % 2)) }
      await rollOut(release, round, { image, config: { MAX_PENDING: 1000 + round } })
      await release.gone(3)
      t.comment(`round ${round}: ${load.posted()} tasks so far`)
    }
    load.checkAnswers()
    await release.uninstall()
    await release.installAgain()
    await load.check({ unanswered: true })
    release.checkDepartures(t, 3 * perHelm + 3)
  })

  t.test(
    `Helm ${major}: ${perHelm} rolling updates of the one pod on a volume under load`,
    { skip },
    async (t) => {
      const release = await install(t, `replacing-${helm}`, embedded, major)
      const load = startLoad(t, release, `replacing-${helm}`, true)
      for (let round = 1; round <= perHelm; round++) {
        await rollOut(release, round, { config: { MAX_PENDING: 1000 + round } })
        t.comment(`round ${round}: ${load.posted()} tasks so far`)
      }
      await release.uninstall()
      await release.installAgain()
      // Between two pods nobody answers.
      await load.check({ unanswered: true })
      release.checkDepartures(t, perHelm + 1)
    }
  )
}
