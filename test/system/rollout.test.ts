import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { needsRedis } from '../redis.ts'
import { Client } from './client.ts'
import { Kubelet } from './kubelet.ts'
import { Load, loadTypes } from './load.ts'
import { needsNginx, startNginx } from './nginx.ts'
import { setUpPods } from './pods.ts'
import { chooseSeed, seededRandom } from './random.ts'
import { soak } from './soak.ts'
import { Witness } from './witness.ts'

t.setTimeout(900_000)

const skip = needsRedis() || needsNginx()
const rounds = soak ? 10 : 2
const seed = chooseSeed()

// The load balancer learns of it after the signal, and before the pod stops taking tasks.
const preStopMs = 500
const settings = {
  SHUTDOWN_DELAY: '1.5',
  GRACEFUL_SHUTDOWN_TIMEOUT: '1',
  CANCEL_GRACE: '1',
  MAX_WORKERS: '8'
}
const budgets = {
  preStopMs,
  terminationGracePeriodMs: preStopMs + (1.5 + 1 + 1 + 2) * 1000 + 1000,
  readinessPeriodMs: 100,
  endpointDelayMs: 1_500
}

t.test(
  `three pods behind nginx are rolled ${rounds} times under load (LASTCALL_SEED=${seed})`,
  { skip },
  async (t) => {
    t.comment(`LASTCALL_SEED=${seed}`)
    const { dir, start } = await setUpPods(t, loadTypes, settings)
    const nginxDir = join(dir, 'nginx')
    await mkdir(nginxDir)
    const nginx = await startNginx(t, nginxDir)
    const kubelet = new Kubelet(start, nginx.point, budgets)
    for (let n = 0; n < 3; n++) await kubelet.create()
    const client = new Client(() => nginx.url)
    t.teardown(() => client.close())
    const witness = new Witness(client, { countingIds: false })

    const load = new Load({
      witness,
      random: seededRandom(seed),
      seed,
      stepsDir: join(dir, 'steps'),
      // Many take longer than a pod waits for them.
      steps: 400,
      posters: 4,
      unfinished: 60
    })
    for (let round = 1; round <= rounds; round++) {
      const departures = await kubelet.roll()
      t.ok(
        departures.every(({ exitCode, killed }) => exitCode === 0 && !killed),
        `round ${round}: all left by themselves, after ${departures.map(({ ms }) => Math.round(ms)).join(', ')} ms`
      )
    }
    await load.stop()

    // Nobody was told anything but to come back.
    const refused = client.refusals.filter(
      ({ status, retryAfter }) => status !== 503 || !(Number(retryAfter) > 0)
    )
    t.strictSame(refused.slice(0, 5), [], `${client.refusals.length} requests were to be repeated`)
    await load.check(t, await witness.verify(), false)
  }
)
