import t from 'tap'
import { needsHelm, refusal, renderChart, type Values } from './chart.ts'
import { distributed } from './variants.ts'

const sha = 'sha256:abc'

/** What is refused, and what the answer must name. */
const refusals: Record<string, { values: Values; says: RegExp }> = {
  'a rollout that may start no pod': { values: { ...distributed, maxSurge: 0 }, says: /maxSurge/ },
  'a rollout that may start none, in percent': {
    values: { ...distributed, maxSurge: '0%' },
    says: /maxSurge/
  },
  'a name that no Service can have': { values: { fullnameOverride: 'my.app' }, says: /fullnameOverride/ },
  'a name that begins with a digit': { values: { nameOverride: '7up' }, says: /nameOverride/ },
  'two pods of the embedded engine': {
    values: { replicaCount: 2 },
    says: /one process at a time can open its file/
  },
  'an autoscaler for the embedded engine': {
    values: { autoscaling: { enabled: true } },
    says: /does not scale/
  },
  'KEDA for the embedded engine': {
    values: { keda: { enabled: true, prometheusAddress: 'http://prometheus' } },
    says: /does not scale/
  },
  'a distributed engine without a Redis': { values: { engine: 'distributed' }, says: /redis.existingSecret/ },
  'two autoscalers': {
    values: {
      ...distributed,
      autoscaling: { enabled: true },
      keda: { enabled: true, prometheusAddress: 'http://prometheus' }
    },
    says: /keda.enabled/
  },
  'an autoscaler that looks at nothing': {
    values: { ...distributed, autoscaling: { enabled: true, targetCPUUtilizationPercentage: 0 } },
    says: /autoscaling/
  },
  'KEDA that looks at nothing': { values: { ...distributed, keda: { enabled: true } }, says: /keda/ },
  'KEDA that scales to nothing': {
    values: {
      ...distributed,
      keda: { enabled: true, prometheusAddress: 'http://prometheus', minReplicas: 0 }
    },
    says: /keda.minReplicas/
  },
  'a grace period shorter than the drain': {
    values: { terminationGracePeriodSeconds: 619 },
    says: /619 is less than the 620 seconds/
  },
  'more pods at least than at most': {
    values: { ...distributed, autoscaling: { enabled: true, minReplicas: 20 } },
    says: /autoscaling: minReplicas is more than maxReplicas/
  },
  'no margin': { values: { terminationMarginSeconds: 1 }, says: /the service itself needs 2 seconds/ },
  'a budget behind the back of the grace period': {
    values: { extraEnv: [{ name: 'GRACEFUL_SHUTDOWN_TIMEOUT', value: '9000' }] },
    says: /GRACEFUL_SHUTDOWN_TIMEOUT is a setting of the service/
  },
  'another store behind the back of the engine': {
    values: { extraEnv: [{ name: 'TASK_STORE_URL', value: 'sqlite::memory:' }] },
    says: /TASK_STORE_URL is a setting of the service/
  },
  'a setting that the service does not know': { values: { config: { MAX_WORKER: 2 } }, says: /MAX_WORKER/ },
  'a setting that the service would refuse': {
    values: { config: { MAX_WORKERS: 0 } },
    says: /config.MAX_WORKERS/
  },
  'a setting of the wrong type': { values: { config: { PORT: '3000' } }, says: /config.PORT/ },
  'a port that Kubernetes cannot know': { values: { config: { PORT: 0 } }, says: /config.PORT/ },
  'a word that the service does not know': {
    values: { config: { STORE_SYNC: 'never' } },
    says: /config.STORE_SYNC/
  },
  'a secret among the settings': { values: { config: { ADMIN_TOKEN: 'operator' } }, says: /ADMIN_TOKEN/ },
  'a value that the chart does not know': { values: { replicas: 2 }, says: /replicas/ },
  'an engine that there is not': { values: { engine: 'memory' }, says: /engine/ },
  'a digest that is none': { values: { image: { digest: sha } }, says: /image.digest/ },
  'an Ingress without a host': { values: { ingress: { enabled: true } }, says: /ingress.hosts/ },
  'a route without a gateway': { values: { httpRoute: { enabled: true } }, says: /httpRoute.parentRefs/ },
  'tokens in two places': {
    values: { tokens: { existingSecret: 'tokens', admin: 'operator' } },
    says: /tokens.admin/
  },
  'an admin token that is given and generated': {
    values: { tokens: { admin: 'operator', generateAdmin: true } },
    says: /tokens.generateAdmin/
  },
  'an API token with a comma, which would be two': {
    values: { tokens: { api: ['a,b'] } },
    says: /tokens.api/
  },
  'two folders of task types': {
    values: { tasks: { modules: { 'a.mjs': '' }, existingConfigMap: 'types' } },
    says: /TASKS_DIR is one folder/
  },
  'a module that would not be loaded': {
    values: { tasks: { modules: { 'a.ts': '' } } },
    says: /tasks.modules/
  }
}

for (const [what, { values, says }] of Object.entries(refusals)) {
  t.test(`the chart refuses ${what}`, { skip: needsHelm }, async (t) => {
    // The two forms in which versions of Helm name a value.
    t.match(
      refusal(values).replaceAll(/at '\/([^']*)'/g, (_, path: string) => path.replaceAll('/', '.')),
      says
    )
  })
}

t.test('the chart refuses a cluster without the native sleep', { skip: needsHelm }, async (t) => {
  t.match(refusal({}, { args: ['--kube-version', '1.29.9'] }), /1\.29/)
  t.ok(renderChart({}, { args: ['--kube-version', '1.30.0'] }).length > 0)
})
