/** Clients of a release that keep at it while its pods come and go. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Load } from '../system/load.ts'
import { chooseSeed, seededRandom } from '../system/random.ts'
import { Client } from '../system/retrying-client.ts'
import { Witness } from '../system/witness.ts'
import type { install } from './release.ts'

export const seed = chooseSeed()

type Release = Pick<Awaited<ReturnType<typeof install>>, 'cluster' | 'url'>

/** Posters and readers of streams behind a Service. `check` holds what they saw against the promises. */
export function startLoad(t: Test, release: Release, name: string, countingIds: boolean) {
  t.comment(`LASTCALL_SEED=${seed}`)
  const client = new Client(() => release.url)
  t.teardown(() => client.close())
  const witness = new Witness(client, { countingIds })
  const stepsDir = join(release.cluster.dir, `steps-${name}`)
  mkdirSync(stepsDir)
  const load = new Load({
    witness,
    random: seededRandom(seed),
    seed,
    stepsDir,
    // Many take longer than a pod waits for them.
    steps: 600,
    posters: 3,
    unfinished: 40
  })
  /** Nobody was told anything but to come back. */
  const checkAnswers = () => {
    const refused = client.refusals.filter(
      ({ status, retryAfter }) => status !== 503 || !(Number(retryAfter) > 0)
    )
    t.strictSame(refused.slice(0, 5), [], `${client.refusals.length} requests were to be repeated`)
  }
  return {
    client,
    witness,
    posted: () => load.posted,
    checkAnswers,
    /** `unanswered`: for a while there was no pod to answer. */
    async check({ mayBeLost = false, unanswered = false } = {}) {
      await load.stop()
      if (!unanswered) checkAnswers()
      await load.check(t, await witness.verify(), mayBeLost)
    }
  }
}
