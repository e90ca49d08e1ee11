import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { needsCommand } from '../helper.ts'
import { needsHelm, only, renderChart, type Values } from './chart.ts'

interface Rule {
  alert: string
  expr: string
  for?: string
  labels: Record<string, string>
  annotations: Record<string, string>
}

const root = new URL('../../', import.meta.url)
const file = fileURLToPath(new URL('helm/files/alerts.yaml', root))
const rules: Rule[] = parse(readFileSync(file, 'utf8')).groups.flatMap(
  (group: { rules: Rule[] }) => group.rules
)

const promtool = (...args: string[]) => execFileSync('promtool', args, { encoding: 'utf8', stdio: 'pipe' })
const skip = needsCommand('promtool')

const rendered = (values: Values = {}, release = 'lastcall') => {
  const objects = renderChart(
    { ...values, prometheusRule: { enabled: true, ...Object(values.prometheusRule) } },
    { release }
  )
  return only(objects, 'PrometheusRule').spec
}

t.test('promtool takes the rule file as it is', { skip }, async (t) => {
  t.match(promtool('check', 'rules', '--lint=all', '--lint-fatal', file), `${rules.length} rules found`)
})

t.test('promtool takes what the chart makes of it', { skip: skip || needsHelm }, async (t) => {
  const all = rules.map(({ alert }) => alert)
  for (const [name, values] of Object.entries({
    all: {},
    some: { prometheusRule: { disabled: ['LastcallQueueGrows'], alertLabels: { team: 'inventory' } } },
    none: { prometheusRule: { disabled: all } }
  })) {
    const path = t.testdir({ 'rules.yaml': stringify(rendered(values)) })
    t.match(promtool('check', 'rules', '--lint=all', `${path}/rules.yaml`), /SUCCESS: \d+ rules found/, name)
  }
})

t.test('each alert fires when it should, and only then', { skip }, async (t) => {
  const tests = fileURLToPath(new URL('alerts.promtool.yaml', import.meta.url))
  t.match(promtool('test', 'rules', tests), 'SUCCESS')
  const tested = readFileSync(tests, 'utf8')
  for (const { alert } of rules) t.match(tested, `alertname: ${alert}`, `${alert} is tested`)
})

t.test(
  'the alerts of a release look at its own series, by its own budget',
  { skip: needsHelm },
  async (t) => {
    const config = { GRACEFUL_SHUTDOWN_TIMEOUT: 30, CANCEL_GRACE: 5 }
    const [{ name, rules: own }] = rendered(
      { config, prometheusRule: { alertLabels: { severity: 'page' } } },
      'blue'
    ).groups
    t.equal(name, 'lastcall.tasks.blue')
    for (const { alert, expr, labels } of own as Rule[]) {
      t.match(expr, 'job="blue",namespace="tasks"', alert)
      for (const [selector] of expr.matchAll(/\{[^}]*\}/g))
        t.match(selector, /^\{(job="blue"|(deployment|statefulset)="blue-lastcall"),namespace="tasks"/, alert)
      t.notMatch(expr, '"lastcall', alert)
      t.equal(labels.severity, 'page', 'labels that are given win')
    }
    t.equal(
      (own as Rule[]).find(({ alert }) => alert === 'LastcallDrainStuck')?.for,
      '95s',
      'one minute on top'
    )
  }
)

t.test(
  'every alert has a section in the runbook, and the runbook none too many',
  { skip: needsHelm },
  async (t) => {
    const sections = [
      ...readFileSync(new URL('docs/runbook.md', root), 'utf8').matchAll(/^## (Lastcall\w+)$/gm)
    ].map(([, name]) => name)
    t.strictSame(sections.sort(), rules.map(({ alert }) => alert).sort())
    for (const { alert, annotations } of rules)
      t.equal(annotations.runbook_url, `docs/runbook.md#${alert.toLowerCase()}`)
    const [{ rules: own }] = rendered({
      prometheusRule: { runbookUrl: 'https://example.com/runbook' }
    }).groups
    for (const { alert, annotations } of own as Rule[])
      t.equal(annotations.runbook_url, `https://example.com/runbook#${alert.toLowerCase()}`)
  }
)
