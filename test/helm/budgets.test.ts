import t from 'tap'
import { readSettings } from '../../src/config.ts'
import {
  budgetsOf,
  containerOf,
  environmentOf,
  needsHelm,
  podTemplateOf,
  renderChart,
  type Values
} from './chart.ts'
import { distributed, variants } from './variants.ts'

// What src/server.ts adds to the budgets before close-with-grace ends the process.
const ownMargin = 2

for (const [name, values] of Object.entries(variants)) {
  t.test(
    `${name}: the grace period is longer than everything that the pod may wait for`,
    { skip: needsHelm },
    async (t) => {
      const budgets = budgetsOf(renderChart(values))
      const { gracePeriod, preStop, shutdownDelay, gracefulShutdownTimeout, cancelGrace, scrapeLinger } =
        budgets
      const needed =
        preStop + shutdownDelay + gracefulShutdownTimeout + cancelGrace + scrapeLinger + ownMargin
      t.ok(Object.values(budgets).every(Number.isFinite), 'every budget is a number', budgets)
      t.ok(gracePeriod > needed, `${gracePeriod} s are more than ${needed} s`)
    }
  )
}

t.test(
  'the grace period is the sum of the budgets, and the process gets the same ones',
  { skip: needsHelm },
  async (t) => {
    const objects = renderChart({
      preStopSleepSeconds: 3,
      terminationMarginSeconds: 20,
      config: { SHUTDOWN_DELAY: 0.5, GRACEFUL_SHUTDOWN_TIMEOUT: 100.25, CANCEL_GRACE: 7, SCRAPE_LINGER: 16 }
    })

    t.strictSame(budgetsOf(objects), {
      gracePeriod: 3 + 124 + 20, // 123.75, rounded up
      preStop: 3,
      shutdownDelay: 0.5,
      gracefulShutdownTimeout: 100.25,
      cancelGrace: 7,
      scrapeLinger: 16
    })
    t.match(readSettings(environmentOf(objects)), {
      SHUTDOWN_DELAY: 0.5,
      GRACEFUL_SHUTDOWN_TIMEOUT: 100.25,
      CANCEL_GRACE: 7,
      SCRAPE_LINGER: 16
    })
  }
)

t.test('a longer grace period is taken as it is', { skip: needsHelm }, async (t) => {
  t.equal(budgetsOf(renderChart({ terminationGracePeriodSeconds: 900 })).gracePeriod, 900)
})

t.test('very long drains are numbers still, not 1e+06', { skip: needsHelm }, async (t) => {
  const objects = renderChart({ config: { GRACEFUL_SHUTDOWN_TIMEOUT: 1_500_000, BODY_LIMIT: 1_073_741_824 } })
  t.equal(podTemplateOf(objects).spec?.terminationGracePeriodSeconds, 1_500_020)
  t.match(environmentOf(objects), { GRACEFUL_SHUTDOWN_TIMEOUT: '1500000', BODY_LIMIT: '1073741824' })
})

t.test(
  'preStop is a native sleep, and nothing when there is no time for it',
  { skip: needsHelm },
  async (t) => {
    t.strictSame(containerOf(renderChart()).lifecycle, { preStop: { sleep: { seconds: 5 } } })
    t.equal(containerOf(renderChart({ preStopSleepSeconds: 0 })).lifecycle, undefined)
  }
)

t.test(
  'probes ask what the drain answers, and notice it within its delay',
  { skip: needsHelm },
  async (t) => {
    const { startupProbe, livenessProbe, readinessProbe } = containerOf(renderChart(distributed))
    t.match(startupProbe, { httpGet: { path: '/healthz', port: 'http' } })
    t.match(livenessProbe, { httpGet: { path: '/healthz', port: 'http' } })
    const { periodSeconds = 10, failureThreshold = 3 } = readinessProbe ?? {}
    t.ok(failureThreshold >= 2, 'one answer that was late takes no pod out')
    t.ok(periodSeconds * failureThreshold <= 6)
  }
)

t.test('pods that share a store stay in their Service while it is away', { skip: needsHelm }, async (t) => {
  const asked = (values: Values) => containerOf(renderChart(values)).readinessProbe?.httpGet
  t.strictSame(asked({}), { path: '/readyz', port: 'http' })
  t.strictSame(asked(distributed), { path: '/readyz?exclude=tasks', port: 'http' })
  const own = { readinessProbe: { httpGet: { path: '/readyz', port: 'http' } } }
  t.strictSame(asked({ ...distributed, ...own }), own.readinessProbe.httpGet)
})
