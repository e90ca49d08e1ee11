import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import {
  chart,
  helm,
  type KubernetesObject,
  needsHelm,
  ofKind,
  podTemplateOf,
  renderChart,
  template,
  type Values
} from './chart.ts'
import { compile, problemOf } from './models.ts'
import { variants } from './variants.ts'

t.setTimeout(120_000)

const deployment = readFileSync(new URL('../../docs/deployment.md', import.meta.url), 'utf8')
const documented: Values = parse(/^```yaml\n(engine: [\s\S]*?)```/m.exec(deployment)?.[1] ?? '')

const all = [...Object.entries(variants), ['those of docs/deployment.md', documented] as const]

const rendered = new Map<string, KubernetesObject[]>()
for (const [name, values] of all) rendered.set(name, needsHelm ? [] : renderChart(values))

t.test('helm lint finds nothing', { skip: needsHelm }, async (t) => {
  for (const [name, values] of all) {
    const { status, stdout, stderr } = helm(['lint', '--strict', chart], values)
    t.equal(status, 0, name, { stdout, stderr })
  }
})

for (const [name, objects] of rendered) {
  t.test(`${name}: what is rendered is valid and belongs together`, { skip: needsHelm }, async (t) => {
    for (const object of objects) t.equal(await problemOf(object), undefined, `${object.kind} is valid`)
    const names = objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    t.equal(new Set(names).size, names.length, 'no name is used twice', { names })

    const pod = podTemplateOf(objects)
    const { labels = {} } = pod.metadata as KubernetesObject['metadata']
    const selects = (selector: object) =>
      Object.entries(selector).every(([label, value]) => labels[label] === value)
    const selectors = objects.flatMap(({ kind, spec }) => {
      if (kind === 'Service') return [spec.selector]
      if (kind === 'NetworkPolicy') return [spec.podSelector.matchLabels]
      if (['StatefulSet', 'Deployment', 'PodDisruptionBudget'].includes(kind))
        return [spec.selector.matchLabels]
      return []
    })
    t.ok(selectors.length > 2 && selectors.every(selects), 'every selector finds the pods', {
      selectors,
      labels
    })
    const test = ofKind(objects, 'Pod')[0]?.metadata.labels ?? {}
    t.notOk(
      selectors.some((selector) => Object.entries(selector).every(([label, value]) => test[label] === value)),
      'none finds the pod of helm test'
    )

    const claims = ofKind(objects, 'StatefulSet').flatMap(({ spec }) => spec.volumeClaimTemplates ?? [])
    const volumes = [
      ...(pod.spec?.volumes ?? []).map(({ name }) => name),
      ...claims.map((c) => c.metadata.name)
    ]
    for (const { name, volumeMounts = [] } of pod.spec?.containers ?? [])
      for (const mount of volumeMounts)
        t.ok(volumes.includes(mount.name), `${name} finds volume ${mount.name}`)
    t.equal(new Set(volumes).size, volumes.length, 'no volume is declared twice')
  })

  t.test(`${name}: pods pass the restricted Pod Security Standard`, { skip: needsHelm }, async (t) => {
    const pods = [podTemplateOf(objects).spec, ...ofKind(objects, 'Pod').map(({ spec }) => spec)]
    for (const pod of pods) {
      t.notOk(pod.hostNetwork || pod.hostPID || pod.hostIPC)
      t.notOk(pod.volumes?.some((volume: object) => 'hostPath' in volume))
      t.match(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      t.ok(pod.securityContext.runAsUser > 0)
      t.equal(pod.automountServiceAccountToken, false)
      for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
        t.match(container.securityContext, {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] }
        })
        t.notOk(container.securityContext.privileged)
      }
      t.equal(pod.containers[0].securityContext.readOnlyRootFilesystem, true)
    }
  })
}

t.test('the values that are rendered here reach every template', { skip: needsHelm }, async (t) => {
  const printed = all.map(([, values]) => template(values).stdout).join('')
  const templates = readdirSync(`${chart}/templates`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml') && name !== 'checks.yaml')
    .map((name) => `# Source: lastcall/templates/${name}`)
  t.ok(templates.length > 15)
  for (const source of templates) t.ok(printed.includes(source), source)
})

t.test('no object has a field that its type does not know', { skip: needsHelm }, async (t) => {
  t.equal(compile([...rendered.values()].flat(), t.testdir({})), '')
})

t.test('the checks would find what they are there for', { skip: needsHelm }, async (t) => {
  const [service] = ofKind(renderChart(), 'Service')
  if (!service) throw new Error('there is no Service')
  const misspelt = { ...service, spec: { ...service.spec, publishNotReadyAddress: true } }
  t.match(compile([misspelt], t.testdir({})), /TS2353: .*publishNotReadyAddress/)
  t.match(await problemOf({ ...service, spec: { ports: [{ port: 'http' }] } }), /port/)
})
