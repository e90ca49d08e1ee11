import type { Values } from './chart.ts'

export const embedded: Values = {}
export const distributed: Values = {
  engine: 'distributed',
  replicaCount: 3,
  redis: { existingSecret: 'redis', key: 'address' }
}

const peers = [{ podSelector: { matchLabels: { app: 'gateway' } } }]

/** What belongs to no engine, all of it at once. */
const everything: Values = {
  image: { repository: 'registry.example.com/lastcall', digest: `sha256:${'0'.repeat(64)}` },
  imagePullSecrets: [{ name: 'registry' }],
  config: { SHUTDOWN_DELAY: 0.5, SCRAPE_LINGER: 20, LOG_LEVEL: 'debug', LINK_CHECK_ALLOW_PRIVATE: true },
  tokens: { admin: 'operator', api: ['one', 'two'] },
  tasks: { modules: { 'echo.mjs': "export default { type: 'echo' }" } },
  serviceAccount: { annotations: { team: 'inventory' } },
  commonLabels: { 'cost-center': 'inventory' },
  annotations: { team: 'inventory' },
  podAnnotations: { team: 'inventory' },
  podLabels: { team: 'inventory' },
  service: {
    type: 'LoadBalancer',
    port: 8080,
    labels: { team: 'inventory' },
    annotations: { team: 'inventory' },
    loadBalancerClass: 'example.com/internal',
    trafficDistribution: 'PreferSameZone',
    ipFamilyPolicy: 'PreferDualStack',
    ipFamilies: ['IPv6', 'IPv4']
  },
  exposeDocs: true,
  ingress: {
    enabled: true,
    className: 'nginx',
    controller: 'ingress-nginx',
    annotations: { team: 'inventory' },
    hosts: ['a.example.com', '*.b.example.com'],
    tls: [{ secretName: 'tls', hosts: ['a.example.com'] }]
  },
  httpRoute: {
    enabled: true,
    annotations: { team: 'inventory' },
    parentRefs: [{ name: 'gateway', namespace: 'gateways', sectionName: 'https' }],
    hostnames: ['a.example.com']
  },
  networkPolicy: {
    enabled: true,
    clients: peers,
    redis: peers,
    extraIngress: [{ from: peers }],
    extraEgress: [{ to: peers }]
  },
  serviceMonitor: {
    enabled: true,
    labels: { release: 'prometheus' },
    relabelings: [{ sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'node' }],
    metricRelabelings: [{ sourceLabels: ['__name__'], regex: 'nodejs_heap_space_.*', action: 'drop' }]
  },
  prometheusRule: { enabled: true, labels: { release: 'prometheus' }, alertLabels: { team: 'inventory' } },
  grafanaDashboard: { enabled: true, annotations: { grafana_folder: 'Inventory' } },
  extraEnv: [{ name: 'NODE_EXTRA_CA_CERTS', value: '/ca/ca.crt' }],
  extraEnvFrom: [{ secretRef: { name: 'proxy' } }],
  volumes: [{ name: 'ca', configMap: { name: 'ca' } }],
  volumeMounts: [{ name: 'ca', mountPath: '/ca', readOnly: true }],
  initContainers: [
    {
      name: 'wait',
      image: 'busybox:1.37.0',
      command: ['true'],
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
    }
  ],
  extraContainers: [
    {
      name: 'beside',
      image: 'busybox:1.37.0',
      command: ['sleep', 'infinity'],
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
    }
  ],
  extraObjects: [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a-map' },
      data: { release: '{{ .Release.Name }}' }
    },
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include "lastcall.fullname" . }}-text\n'
  ],
  priorityClassName: 'high',
  runtimeClassName: 'gvisor',
  dnsConfig: { options: [{ name: 'ndots', value: '2' }] },
  hostAliases: [{ ip: '192.0.2.1', hostnames: ['inventory.example.com'] }],
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'inventory', operator: 'Exists', effect: 'NoSchedule' }],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] }]
      }
    }
  }
}

/** Values that between them reach every branch of every template. */
export const variants: Record<string, Values> = {
  embedded,
  distributed,
  'embedded with everything': {
    ...everything,
    persistence: {
      storageClass: 'fast',
      accessModes: ['ReadWriteOncePod'],
      annotations: { team: 'inventory' }
    }
  },
  'distributed with everything and an HPA': {
    ...distributed,
    ...everything,
    autoscaling: {
      enabled: true,
      metrics: [
        {
          type: 'Pods',
          pods: { metric: { name: 'task_pending' }, target: { type: 'AverageValue', averageValue: '8' } }
        }
      ]
    }
  },
  'distributed with KEDA': {
    ...distributed,
    keda: {
      enabled: true,
      prometheusAddress: 'http://prometheus:9090',
      triggers: [{ type: 'cpu', metricType: 'Utilization', metadata: { value: '70' } }]
    }
  },
  'distributed with one pod': { ...distributed, replicaCount: 1 },
  'embedded without a volume': { persistence: { enabled: false } },
  'embedded on a claim that is there': { persistence: { existingClaim: 'tasks' } },
  'embedded, scaled to nothing': { replicaCount: 0 },
  'tokens of a Secret that is there': { tokens: { existingSecret: 'tokens' } },
  'a generated token': { tokens: { generateAdmin: true } },
  'task types of a ConfigMap that is there': { tasks: { existingConfigMap: 'types' } },
  'task types of an image': { tasks: { volume: { image: { reference: 'registry.example.com/types:1' } } } },
  'no hook, no spread, a longer grace period': {
    ...distributed,
    preStopSleepSeconds: 0,
    topologySpreadConstraints: [],
    terminationGracePeriodSeconds: 3600,
    maxSurge: '50%',
    podDisruptionBudget: { maxUnavailable: '20%' }
  },
  'a policy that lets hardly anything through': {
    networkPolicy: { enabled: true, clients: [], prometheus: [], dns: [], linkCheck: false }
  },
  'a distributed policy with a Redis anywhere': { ...distributed, networkPolicy: { enabled: true } },
  'an Ingress for F5': { ingress: { enabled: true, controller: 'nginx', hosts: ['a.example.com'] } },
  'an Ingress for HAProxy': { ingress: { enabled: true, controller: 'haproxy', hosts: ['a.example.com'] } },
  'an Ingress for any': { ingress: { enabled: true, hosts: ['a.example.com'] } },
  'a route for every host': { httpRoute: { enabled: true, parentRefs: [{ name: 'gateway' }] } },
  'a service account that is there': { serviceAccount: { create: false, name: 'runner' } },
  'alerts but for some': {
    prometheusRule: {
      enabled: true,
      disabled: ['LastcallQueueGrows'],
      runbookUrl: 'https://example.com/runbook'
    }
  }
}
