import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { chart, needsHelm, renderChart, type Values } from './chart.ts'
import { distributed } from './variants.ts'

// `helm template` does not print NOTES.txt; a copy of the chart carries it in an object.
const copy = join(t.testdir({}), 'chart')
cpSync(chart, copy, { recursive: true })
writeFileSync(
  join(copy, 'templates/notes.yaml'),
  `apiVersion: v1
kind: ConfigMap
metadata: {name: the-notes}
data: {notes: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}}\n`
)
const notes = (values: Values): string =>
  renderChart(values, { path: copy }).find(({ metadata }) => metadata.name === 'the-notes')?.data.notes
const short = { config: { GRACEFUL_SHUTDOWN_TIMEOUT: 60 } }

t.test('the notes say where the service is and what its drain may take', { skip: needsHelm }, async (t) => {
  t.match(notes({}), 'kubectl -n tasks port-forward service/lastcall 3000:80')
  t.match(notes({}), '--reset-then-reuse-values --wait --timeout 740s')
  t.match(notes({ config: { SHUTDOWN_DELAY: '0.5' } }), '0.5 of SHUTDOWN_DELAY')
  t.match(notes({}), /has 620 s: 5 of preStop, 0 of SHUTDOWN_DELAY,\n600 for running tasks/)
  const hosts = { enabled: true, hosts: ['a.example.com'] }
  t.match(notes({ ingress: { ...hosts, tls: [{}] } }), 'https://a.example.com/api/tasks')
  t.match(notes({ ingress: hosts }), 'http://a.example.com/api/tasks')
  const route = { enabled: true, parentRefs: [{ name: 'gateway' }] }
  t.match(notes({ httpRoute: { ...route, hostnames: ['b.example.com'] } }), 'https://b.example.com/api/tasks')
  t.match(notes({ httpRoute: route }), '/api/tasks at the addresses of the gateways')
  t.match(notes({ tokens: { generateAdmin: true } }), 'get secret lastcall-tokens')
})

t.test('nothing is warned of that is as it should be', { skip: needsHelm }, async (t) => {
  t.notMatch(notes(short), 'WARNING')
  t.notMatch(notes({ ...distributed, ...short }), 'WARNING')
})

t.test('what works but may not be meant is warned of', { skip: needsHelm }, async (t) => {
  t.match(notes({}), /WARNING: The grace period is 620 s, .* lower config.GRACEFUL_SHUTDOWN_TIMEOUT by 20/)
  t.notMatch(notes({ nodeDrainLimitSeconds: 0 }), 'WARNING')
  t.match(notes({ config: { SHUTDOWN_DELAY: 5 } }), 'one of them is enough')
  t.match(notes({ persistence: { enabled: false } }), 'tasks are lost with the pod')
  t.match(notes({ ...distributed, replicaCount: 1 }), 'replicaCount 2 or more')
  t.match(notes({ serviceMonitor: { enabled: true } }), 'set config.SCRAPE_LINGER a little above')
  t.match(notes({ config: { MAX_WORKERS: 8 } }), 'resources.limits.memory is 2560 MiB')
  t.match(notes({ resources: { limits: { memory: '2G' } } }), 'resources.limits.memory is 1907 MiB')
  t.match(notes({ ingress: { enabled: true, hosts: ['a.example.com'] } }), 'open to everyone')
})
