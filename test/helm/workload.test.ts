import t from 'tap'
import {
  containerOf,
  type KubernetesObject,
  needsHelm,
  ofKind,
  only,
  podTemplateOf,
  renderChart,
  textOf,
  type Values
} from './chart.ts'
import { distributed } from './variants.ts'

const keda = { enabled: true, prometheusAddress: 'http://prometheus:9090' }

t.test(
  'the embedded engine is one pod with its file on a volume that stays',
  { skip: needsHelm },
  async (t) => {
    const objects = renderChart()
    t.match(only(objects, 'StatefulSet').spec, {
      replicas: 1,
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }]
    })
    t.match(podTemplateOf(objects).spec?.securityContext, { fsGroup: 1000, runAsUser: 1000 })
    t.ok(
      containerOf(objects).volumeMounts?.some(
        ({ name, mountPath }) => name === 'data' && mountPath === '/data'
      )
    )
    t.strictSame(ofKind(objects, 'Deployment'), [])
  }
)

t.test(
  'a rollout of the distributed engine takes no pod away before its successor is ready',
  { skip: needsHelm },
  async (t) => {
    const objects = renderChart(distributed)
    t.match(only(objects, 'Deployment').spec, {
      replicas: 3,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
    })
    t.strictSame(ofKind(objects, 'StatefulSet'), [])
    t.notOk(JSON.stringify(podTemplateOf(objects)).includes('/data'), 'it needs no volume')
  }
)

t.test('each rollout is spread by itself', { skip: needsHelm }, async (t) => {
  const constraints = podTemplateOf(renderChart(distributed)).spec?.topologySpreadConstraints
  t.match(constraints, [
    { topologyKey: 'topology.kubernetes.io/zone', matchLabelKeys: ['pod-template-hash'] },
    { topologyKey: 'kubernetes.io/hostname', matchLabelKeys: ['pod-template-hash'] }
  ])
  t.match(constraints?.[0]?.labelSelector?.matchLabels, { 'app.kubernetes.io/component': 'service' })
})

t.test(
  'a disruption budget is there where more than one pod is, by whoever decides it',
  { skip: needsHelm },
  async (t) => {
    const budgets = (values: Values) => ofKind(renderChart(values), 'PodDisruptionBudget')
    t.match(budgets(distributed), [
      { spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' } }
    ])
    t.equal(budgets({ ...distributed, replicaCount: 1, autoscaling: { enabled: true } }).length, 1)
    t.equal(budgets({ ...distributed, replicaCount: 1, keda }).length, 1)
    for (const values of [
      {},
      { ...distributed, replicaCount: 1 },
      { ...distributed, podDisruptionBudget: { enabled: false } },
      { ...distributed, autoscaling: { enabled: true, minReplicas: 1 } },
      { ...distributed, keda: { ...keda, minReplicas: 1 } }
    ]) {
      t.strictSame(budgets(values), [], JSON.stringify(values))
    }
  }
)

t.test(
  'autoscalers decide alone how many pods there are, and go down slowly',
  { skip: needsHelm },
  async (t) => {
    const scaleDown = {
      stabilizationWindowSeconds: 600,
      policies: [{ type: 'Pods', value: 1, periodSeconds: 300 }]
    }
    const byCpu = renderChart({ ...distributed, autoscaling: { enabled: true } })
    t.match(only(byCpu, 'HorizontalPodAutoscaler').spec, {
      scaleTargetRef: { kind: 'Deployment', name: 'lastcall' },
      minReplicas: 2,
      behavior: { scaleDown }
    })
    const byTasks = renderChart({ ...distributed, keda })
    t.match(only(byTasks, 'ScaledObject').spec, {
      scaleTargetRef: { name: 'lastcall' },
      minReplicaCount: 2,
      advanced: { horizontalPodAutoscalerConfig: { behavior: { scaleDown } } },
      triggers: [
        { type: 'prometheus', metadata: { query: /task_pending\{job="lastcall",namespace="tasks"\}/ } }
      ]
    })
    for (const objects of [byCpu, byTasks]) t.equal(only(objects, 'Deployment').spec.replicas, undefined)
  }
)

t.test(
  'a pod is rolled when its settings, tokens or task types change, and not for the rest',
  { skip: needsHelm },
  async (t) => {
    const annotations = (values: Values) => JSON.stringify(podTemplateOf(renderChart(values)).metadata)
    const before = annotations({})
    t.not(annotations({ config: { MAX_WORKERS: 5 } }), before)
    t.not(annotations({ tokens: { api: ['one'] } }), before)
    t.not(
      annotations({ tasks: { modules: { 'a.mjs': '1' } } }),
      annotations({ tasks: { modules: { 'a.mjs': '2' } } })
    )
    t.equal(annotations({ service: { port: 81 } }), before)
    t.equal(
      annotations({ tokens: { generateAdmin: true } }),
      annotations({ tokens: { generateAdmin: true } })
    )
  }
)

t.test('tokens are in a Secret and nowhere else', { skip: needsHelm }, async (t) => {
  const objects = renderChart({ tokens: { admin: 'operator-token', api: ['first-token'] } })
  const secret = only(objects, 'Secret')
  t.strictSame(textOf(secret), { ADMIN_TOKEN: 'operator-token', API_TOKENS: 'first-token' })
  const others = JSON.stringify(objects.filter((object) => object !== secret))
  t.notMatch(others, /operator-token|first-token/)
  t.equal(secret.stringData, undefined, 'a token that is taken out would stay in what the server made of it')
  t.match(textOf(only(renderChart({ tokens: { generateAdmin: true } }), 'Secret')), {
    ADMIN_TOKEN: /^\w{40}$/
  })
  t.strictSame(ofKind(renderChart({ tokens: { existingSecret: 'tokens' } }), 'Secret'), [])
  t.strictSame(ofKind(renderChart(), 'Secret'), [])
})

t.test('task types are mounted where TASKS_DIR says', { skip: needsHelm }, async (t) => {
  const mounted = (values: Values) => {
    const objects = renderChart({ tasks: values })
    t.ok(
      containerOf(objects).volumeMounts?.some(
        ({ name, mountPath }) => name === 'tasks' && mountPath === '/tasks'
      )
    )
    return podTemplateOf(objects).spec?.volumes?.find(({ name }) => name === 'tasks')
  }
  const source = 'export default {\n  type: "echo" // {{ not a template }}\n}\n'
  t.match(mounted({ modules: { 'echo.mjs': source } }), { configMap: { name: 'lastcall-tasks' } })
  const maps = ofKind(renderChart({ tasks: { modules: { 'echo.mjs': source } } }), 'ConfigMap')
  t.equal(maps.find(({ metadata }) => metadata.name === 'lastcall-tasks')?.data['echo.mjs'], source)
  t.match(mounted({ existingConfigMap: 'types' }), { configMap: { name: 'types' } })
  t.match(mounted({ volume: { persistentVolumeClaim: { claimName: 'types' } } }), {
    persistentVolumeClaim: { claimName: 'types' }
  })
})

t.test('Prometheus sees each pod until it is gone', { skip: needsHelm }, async (t) => {
  for (const values of [{}, distributed]) {
    const objects = renderChart({ ...values, serviceMonitor: { enabled: true } })
    const monitor = only(objects, 'ServiceMonitor').spec
    const has = ({ metadata }: KubernetesObject) =>
      Object.entries(monitor.selector.matchLabels).every(
        ([label, value]) => metadata.labels?.[label] === value
      )
    t.match(ofKind(objects, 'Service').filter(has), [
      {
        spec: {
          clusterIP: 'None',
          publishNotReadyAddresses: true,
          ports: [{ name: monitor.endpoints[0].port }]
        }
      }
    ])
    t.equal(monitor.jobLabel, 'app.kubernetes.io/instance')
  }
})

t.test('names are those of the release, and can be chosen', { skip: needsHelm }, async (t) => {
  const names = (values: Values, release: string) =>
    renderChart(values, { release })
      .filter(({ kind }) => kind === 'Service')
      .map(({ metadata }) => metadata.name)
  t.strictSame(names({}, 'lastcall').sort(), ['lastcall', 'lastcall-pods'])
  t.strictSame(names({}, 'blue').sort(), ['blue-lastcall', 'blue-lastcall-pods'])
  t.strictSame(names({ fullnameOverride: 'tasks' }, 'blue').sort(), ['tasks', 'tasks-pods'])
  const longest = names({ fullnameOverride: 'a'.repeat(80) }, 'blue')
  t.ok(longest.every((name) => name.length <= 63))
})
