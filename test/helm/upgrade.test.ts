import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { readSettings } from '../../src/config.ts'
import {
  budgetsOf,
  chart,
  environmentOf,
  needsHelm,
  ofKind,
  only,
  podTemplateOf,
  renderChart,
  type Values
} from './chart.ts'
import { distributed, variants } from './variants.ts'

const read = (name: string): Values => parse(readFileSync(join(chart, name), 'utf8'))

/** A copy of the chart with other files. */
function copyChart(dir: string, files: Record<string, object>): string {
  const copy = join(dir, 'lastcall')
  cpSync(chart, copy, { recursive: true })
  for (const [name, content] of Object.entries(files)) writeFileSync(join(copy, name), stringify(content))
  return copy
}

t.test('a new version of the chart alone rolls no pod', { skip: needsHelm }, async (t) => {
  const path = copyChart(t.testdir({}), { 'Chart.yaml': { ...read('Chart.yaml'), version: '9.9.9' } })
  for (const values of [{}, distributed]) {
    const next = renderChart(values, { path })
    t.match(JSON.stringify(next), 'lastcall-9.9.9')
    t.strictSame(podTemplateOf(next), podTemplateOf(renderChart(values)))
  }
})

t.test(
  'with the defaults of the first release, as --reuse-values takes them, everything renders',
  { skip: needsHelm },
  async (t) => {
    const first = parse(readFileSync(new URL('first-release.values.yaml', import.meta.url), 'utf8'))
    const path = copyChart(t.testdir({}), { 'values.yaml': first })
    for (const [name, values] of Object.entries(variants)) {
      const objects = renderChart(values, { path })
      const { gracePeriod } = budgetsOf(objects)
      t.equal(gracePeriod, budgetsOf(renderChart(values)).gracePeriod, name)
      const settings = readSettings(environmentOf(objects, { redis: { address: 'redis://redis:6379' } }))
      t.ok(settings, 'what is not set has the default of the service')
    }
  }
)

t.test('a parent chart switches it on and off by a condition', { skip: needsHelm }, async (t) => {
  const dir = t.testdir({})
  const parent = join(dir, 'parent')
  mkdirSync(join(parent, 'charts'), { recursive: true })
  copyChart(join(parent, 'charts'), {})
  const dependency = { name: 'lastcall', version: '*.*.*', condition: 'lastcall.enabled' }
  writeFileSync(
    join(parent, 'Chart.yaml'),
    stringify({ apiVersion: 'v2', name: 'parent', version: '1.0.0', dependencies: [dependency] })
  )
  const global = { imageRegistry: 'registry.example.com' }
  t.ok(only(renderChart({ global, lastcall: { enabled: true } }, { path: parent }), 'StatefulSet'))
  t.strictSame(renderChart({ global, lastcall: { enabled: false } }, { path: parent }), [])
})

t.test('the settings that a pod is built around change with its template', { skip: needsHelm }, async (t) => {
  // An upgrade sends ConfigMaps first: one that is refused then must leave nothing for the old pods to read.
  const settings = {
    PORT: 3001,
    SHUTDOWN_DELAY: 1,
    GRACEFUL_SHUTDOWN_TIMEOUT: 2,
    CANCEL_GRACE: 3,
    SCRAPE_LINGER: 4,
    MAX_WORKERS: 5,
    WORKER_MEMORY_LIMIT: 64
  }
  for (const values of [{}, distributed]) {
    const before = renderChart(values)
    const after = renderChart({ ...values, config: settings })
    t.strictSame(ofKind(after, 'ConfigMap')[0]?.data, ofKind(before, 'ConfigMap')[0]?.data)
    const text = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]))
    t.match(environmentOf(after), text)
  }
})

t.test('budgets with fractions are taken from --set as well', { skip: needsHelm }, async (t) => {
  const args = ['--set', 'config.SHUTDOWN_DELAY=0.5', '--set', 'config.CANCEL_GRACE=2.25']
  const objects = renderChart({}, { args })
  t.match(environmentOf(objects), { SHUTDOWN_DELAY: '0.5', CANCEL_GRACE: '2.25' })
  t.equal(budgetsOf(objects).gracePeriod, 5 + 603 + 10)
})

t.test('an autoscaler takes over from as many pods as there are', { skip: needsHelm }, async (t) => {
  // Without a cluster to look into, nothing is said about their number; test/cluster has one.
  const objects = renderChart({ ...distributed, autoscaling: { enabled: true } })
  t.notOk('replicas' in only(objects, 'Deployment').spec)
})
