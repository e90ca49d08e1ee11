import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { distributed, variants } from '../helm/variants.ts'
import { type Cluster, chart, helms, must, startCluster } from './cluster.ts'
import { needsControlPlane } from './control-plane.ts'

t.setTimeout(600_000)

const skip = needsControlPlane
let cluster: Cluster
t.before(async () => {
  if (skip) return
  cluster = await startCluster(t, 0)
  await cluster.namespace('tasks')
  for (const [kind, name] of [
    ['priorityclass', 'high'],
    ['runtimeclass', 'gvisor']
  ] as const) {
    const api = kind === 'priorityclass' ? 'scheduling.k8s.io/v1' : 'node.k8s.io/v1'
    const more = kind === 'priorityclass' ? 'value: 1' : 'handler: runsc'
    const file = join(cluster.dir, `${kind}.yaml`)
    await writeFile(
      file,
      `apiVersion: ${api}\nkind: ${kind === 'priorityclass' ? 'PriorityClass' : 'RuntimeClass'}\nmetadata: {name: ${name}}\n${more}\n`
    )
    await must(cluster.kubectl('apply', '-f', file))
  }
})

for (const major of skip ? ['4', '3'] : Object.keys(helms)) {
  t.test(
    `Helm ${major}: the API server takes every object, and knows every field of it`,
    { skip },
    async (t) => {
      for (const [name, values] of Object.entries(variants)) {
        const rendered = await must(
          cluster.helm(
            major,
            ['template', 'lastcall', chart, '-n', 'tasks', '--kube-version', '1.37.0'],
            values
          )
        )
        const file = join(cluster.dir, 'objects.yaml')
        await writeFile(file, rendered)
        const { ok, text } = await cluster.kubectl(
          'apply',
          '-n',
          'tasks',
          '--dry-run=server',
          '--validate=strict',
          '-f',
          file
        )
        t.ok(ok, name, { text })
      }
    }
  )

  t.test(`Helm ${major}: from a number of pods to an autoscaler none is taken away`, { skip }, async (t) => {
    const namespace = await cluster.namespace(`autoscaled-${major.replaceAll(/\W/g, '')}`)
    await cluster.core.createNamespacedSecret({
      namespace,
      body: { metadata: { name: 'redis' }, stringData: { address: 'redis://127.0.0.1:1' } }
    })
    const values = { ...distributed, replicaCount: 5 }
    await must(cluster.helm(major, ['install', 'lastcall', chart, '-n', namespace], values))
    const replicas = async () =>
      (await cluster.apps.readNamespacedDeployment({ namespace, name: 'lastcall' })).spec?.replicas
    t.equal(await replicas(), 5)
    const autoscaling = { enabled: true, minReplicas: 2, maxReplicas: 10 }
    const flags = ['-n', namespace, '--reset-then-reuse-values']
    await must(cluster.helm(major, ['upgrade', 'lastcall', chart, ...flags], { autoscaling }))
    t.equal(await replicas(), 5)
    // As the autoscaler would.
    await must(cluster.kubectl('-n', namespace, 'scale', 'deployment/lastcall', '--replicas=7'))
    await must(cluster.helm(major, ['upgrade', 'lastcall', chart, ...flags], { config: { MAX_WORKERS: 3 } }))
    t.equal(await replicas(), 7, 'nor by a later upgrade')
  })
}

t.test('the checks would find what they are there for', { skip }, async (t) => {
  const file = join(cluster.dir, 'wrong.yaml')
  const service =
    'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}], publishNotReadyAddress: true}\n'
  await writeFile(file, service)
  const result = await cluster.kubectl(
    'apply',
    '-n',
    'tasks',
    '--dry-run=server',
    '--validate=strict',
    '-f',
    file
  )
  t.match(result, { ok: false, text: /publishNotReadyAddress/ })
})
