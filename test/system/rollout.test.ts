import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { budgetsOf, containerOf, environmentOf, needsHelm, renderChart, type Values } from '../helm/chart.ts'
import { distributed, embedded } from '../helm/variants.ts'
import { startServer } from '../helper.ts'
import { durable, needsRedis, startRedis } from '../redis.ts'
import { type Departure, Kubelet } from './kubelet.ts'
import { Load, loadTypes } from './load.ts'
import { needsNginx, startNginx } from './nginx.ts'
import { chooseSeed, seededRandom } from './random.ts'
import { Client } from './retrying-client.ts'
import { soak } from './soak.ts'
import { Witness } from './witness.ts'

t.setTimeout(900_000)

const rounds = soak ? 10 : 1
const seed = chooseSeed()

/** What a chart makes of short budgets: the environment of its container, and what a kubelet reads in its pod. */
function deploy(values: Values) {
  const config = { SHUTDOWN_DELAY: 1, GRACEFUL_SHUTDOWN_TIMEOUT: 1, CANCEL_GRACE: 1, MAX_WORKERS: 8 }
  const objects = renderChart({ ...values, preStopSleepSeconds: 1, config })
  const { gracePeriod, preStop } = budgetsOf(objects)
  const probe = containerOf(objects).readinessProbe
  const { HOST: _host, PORT: _port, TASK_STORE_URL: _store, ...env } = environmentOf(objects)
  return {
    env,
    budgets: {
      preStopMs: preStop * 1000,
      terminationGracePeriodMs: gracePeriod * 1000,
      readinessPath: probe?.httpGet?.path ?? '',
      readinessPeriodMs: (probe?.periodSeconds ?? 0) * 1000,
      // After the signal, and before the pod takes no more tasks.
      endpointDelayMs: preStop * 1000 + 500
    }
  }
}

/** A folder with task types and room for what a test keeps, and the load that runs while pods are rolled. */
function setUp(t: Test, base: () => string) {
  const dir = t.testdir({ types: loadTypes, steps: {}, store: {} })
  const client = new Client(base)
  t.teardown(() => client.close())
  const witness = new Witness(client, { countingIds: false })
  const startLoad = () =>
    new Load({
      witness,
      random: seededRandom(seed),
      seed,
      stepsDir: join(dir, 'steps'),
      // Many take longer than a pod waits for them.
      steps: 400,
      posters: 4,
      unfinished: 60
    })
  return { dir, client, witness, startLoad }
}

const checkDepartures = (t: Test, round: number, departures: Departure[]) =>
  t.ok(
    departures.every(({ exitCode, killed }) => exitCode === 0 && !killed),
    `round ${round}: all left by themselves, after ${departures.map(({ ms }) => Math.round(ms)).join(', ')} ms`
  )

t.test(
  `three pods behind nginx are rolled ${rounds} times under load, as the chart has them (LASTCALL_SEED=${seed})`,
  { skip: needsRedis() || needsNginx() || needsHelm },
  async (t) => {
    t.comment(`LASTCALL_SEED=${seed}`)
    let url = ''
    const { dir, client, witness, startLoad } = setUp(t, () => url)
    const redis = await startRedis(t, durable(join(dir, 'store')))
    await mkdir(join(dir, 'nginx'))
    const nginx = await startNginx(t, join(dir, 'nginx'))
    url = nginx.url
    const { env, budgets } = deploy(distributed)
    const podEnv = { ...env, TASK_STORE_URL: redis.url, TASKS_DIR: join(dir, 'types') }
    const kubelet = new Kubelet(() => startServer(t, podEnv), nginx.point, budgets)
    for (let n = 0; n < 3; n++) await kubelet.create()

    const load = startLoad()
    for (let round = 1; round <= rounds; round++) checkDepartures(t, round, await kubelet.roll())
    await load.stop()

    // Nobody was told anything but to come back.
    const refused = client.refusals.filter(
      ({ status, retryAfter }) => status !== 503 || !(Number(retryAfter) > 0)
    )
    t.strictSame(refused.slice(0, 5), [], `${client.refusals.length} requests were to be repeated`)
    await load.check(t, await witness.verify(), false)
  }
)

t.test(
  `the one pod on a volume is replaced ${rounds} times under load, as the chart has it (LASTCALL_SEED=${seed})`,
  { skip: needsHelm },
  async (t) => {
    let url = ''
    const { dir, witness, startLoad } = setUp(t, () => url)
    const { env, budgets } = deploy(embedded)
    const podEnv = {
      ...env,
      TASK_STORE_URL: `sqlite:${join(dir, 'store', 'tasks.db')}`,
      TASKS_DIR: join(dir, 'types')
    }
    // Its Service goes on pointing to the pod that drains; between two pods nobody answers.
    const point = async ([first]: readonly string[]) => {
      url = first ?? url
    }
    const kubelet = new Kubelet(() => startServer(t, podEnv), point, budgets)
    await kubelet.create()

    const load = startLoad()
    for (let round = 1; round <= rounds; round++) checkDepartures(t, round, await kubelet.recreate())
    await load.stop()

    await load.check(t, await witness.verify(), false)
  }
)
