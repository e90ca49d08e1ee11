import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { needsHelm, only, renderChart } from '../helm/chart.ts'
import { needsCommand } from '../helper.ts'
import { taskFiles } from '../task-files.ts'
import { startPrometheus } from './prometheus.ts'
import { setUpService } from './service.ts'

t.setTimeout(120_000)

const skip = needsCommand('prometheus')
const file = (name: string) => readFileSync(new URL(`../../helm/files/${name}`, import.meta.url), 'utf8')

const taskTypes = {
  ...taskFiles('gated', 'spin', 'deaf'),
  'quick.mjs': `export default { type: 'quick', description: 'Ends at once.', input: {}, run: () => 1 }`,
  'fails.mjs': `export default {
    type: 'fails', description: 'Fails twice.', input: {}, attempts: 2, run () { throw new Error('no') }
  }`
}

const ofKubeStateMetrics = [
  'kube_deployment_spec_replicas',
  'kube_deployment_status_replicas_ready',
  'kube_statefulset_replicas',
  'kube_statefulset_status_replicas_ready'
]

const settings = { CANCEL_GRACE: '0.2', SCRAPE_LINGER: '20' }

t.test(
  "two processes leave: their last numbers are there, and the chart's alerts tell which drain was too short",
  { skip: skip || needsHelm },
  async (t) => {
    const service = setUpService(t, taskTypes, { ...settings, GRACEFUL_SHUTDOWN_TIMEOUT: '60' })
    const { dir, gate, witness } = service
    const a = await service.start()
    const held = await witness.start({ type: 'gated', input: { gate } }, 'held')
    await witness.follow(held).seen(({ type }) => type === 'task_started')
    // From here on the witness speaks to the second one.
    const b = await service.start({
      TASK_STORE_URL: `sqlite:${join(dir, 'hasty.db')}`,
      GRACEFUL_SHUTDOWN_TIMEOUT: '0.2'
    })
    const spinning = await witness.start({ type: 'spin', input: {} }, 'spinning')
    await witness.follow(spinning).seen(({ type }) => type === 'task_started')
    const rules = only(renderChart({ prometheusRule: { enabled: true } }), 'PrometheusRule').spec
    const targets = [a.url, b.url]
    const prometheus = await startPrometheus(t, { dir: join(dir, 'prometheus'), targets, rules })
    const instance = (url: string) => `instance="${new URL(url).host}"`
    await prometheus.until('count(up == 1) == 2')

    a.child.kill('SIGTERM')
    await prometheus.until(`task_draining_state{${instance(a.url)}} == 1`)
    t.match(await prometheus.query(`task_active_executions{${instance(a.url)}}`), [{ value: [Number, '1'] }])
    await service.openGate()
    t.strictSame(await a.exited, [0, null])

    await prometheus.until(`up{${instance(a.url)}} == 0`)
    const last = async (metric: string) =>
      (await prometheus.query(`max_over_time(${metric}[5m])`)).map(({ value }) => value[1])
    const drained = (url: string, outcome: string) =>
      last(
        `task_graceful_shutdown_duration_seconds_count{${instance(url)},reason="SIGTERM",outcome="${outcome}"}`
      )
    t.strictSame(await drained(a.url, 'clean'), ['1'], 'the drain, observed after its last task')
    t.strictSame(await last(`task_finished_total{${instance(a.url)},type="gated",status="completed"}`), ['1'])
    t.strictSame(await prometheus.firing(), [], 'a drain in time is no reason for an alert')

    b.child.kill('SIGTERM')
    t.strictSame(await b.exited, [0, null])

    await prometheus.until(`up{${instance(b.url)}} == 0`)
    t.strictSame(await drained(b.url, 'forced'), ['1'])
    t.strictSame(await last(`task_force_terminated_total{${instance(b.url)},type="spin"}`), ['1'])
    await prometheus.until('count(ALERTS{alertstate="firing"}) >= 2')
    t.strictSame(await prometheus.firing(), ['LastcallDrainOverBudget', 'LastcallTasksForced'])
    t.match(await prometheus.query('ALERTS{alertname="LastcallTasksForced"}'), [
      { metric: { type: 'spin', namespace: 'tasks', job: 'lastcall' } }
    ])
  }
)

interface Panel {
  title: string
  targets?: { expr: string }[]
}

t.test(
  'every panel and alert asks for metrics that there are, and every panel shows something',
  { skip },
  async (t) => {
    const service = setUpService(t, taskTypes, {
      ...settings,
      GRACEFUL_SHUTDOWN_TIMEOUT: '0'
    })
    const server = await service.start()
    const prometheus = await startPrometheus(t, {
      dir: join(service.dir, 'prometheus'),
      targets: [server.url]
    })
    const { client, witness } = service
    const begun = Date.now() / 1000
    const run = async (type: string, input = {}) => {
      const taskId = await witness.start({ type, input }, `${type} ${Math.random()}`)
      const following = witness.follow(taskId)
      await following.seen(({ type }) => type === 'task_started')
      return { taskId, following }
    }
    // All of it while it serves and is scraped; then again, for rates need a before and an after.
    for (let round = 0; round < 2; round++) {
      await (await run('quick')).following.done
      await (await run('fails')).following.done
      for (const { taskId, following } of [await run('spin'), await run('deaf')]) {
        await client.cancel(taskId)
        await following.done
      }
      await fetch(`${server.url}/api/tasks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ type: 'unheard-of', input: {} })
      })
      await prometheus.until(`task_abandoned_total >= ${round + 1}`)
    }
    await run('gated', { gate: service.gate })
    await prometheus.until('task_active_executions == 1 and task_sse_streams >= 1')
    server.child.kill('SIGTERM')
    await server.exited
    await prometheus.until('up == 0')

    const known = new Set([...Object.keys(await prometheus.get('metadata')), 'up', ...ofKubeStateMetrics])
    const isKnown = (name: string) => known.has(name) || known.has(name.replace(/_(bucket|sum|count)$/, ''))
    const namesIn = (expr: string) =>
      [...expr.replaceAll(/\{[^}]*\}|"[^"]*"/g, '{}').matchAll(/\b([a-z]\w*)(?=\{\})/g)].map(
        ([, name = '']) => name
      )

    const rules: { alert: string; expr: string }[] = parse(file('alerts.yaml')).groups.flatMap(
      ({ rules }: { rules: { alert: string; expr: string }[] }) => rules
    )
    for (const { alert, expr } of rules) {
      const names = namesIn(expr)
      t.ok(names.length > 0 && names.every(isKnown), alert, { names })
    }

    const panels: Panel[] = JSON.parse(file('dashboard.json')).panels
    const end = String(Date.now() / 1000)
    for (const { title, targets = [] } of panels) {
      for (const { expr } of targets) {
        const names = namesIn(expr)
        t.ok(names.length > 0 && names.every(isKnown), `${title} asks for metrics that there are`, {
          expr,
          names
        })
        const query = expr
          .replaceAll('$namespace', 'tasks')
          .replaceAll('$job', 'lastcall')
          .replaceAll('$__rate_interval', '1m')
          .replaceAll('$__range', '1h')
        t.notMatch(query, '$', `${title} knows its variables`)
        const { result } = await prometheus.get('query_range', {
          query,
          start: String(begun),
          end,
          step: '0.25'
        })
        t.ok(result.length > 0, `${title} shows something`, { query })
      }
    }
  }
)
