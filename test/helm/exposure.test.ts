import t from 'tap'
import { needsHelm, only, renderChart, type Values } from './chart.ts'
import { distributed } from './variants.ts'

const ingress = (values: Values = {}) => ({ ingress: { enabled: true, hosts: ['a.example.com'], ...values } })
const route = {
  httpRoute: { enabled: true, parentRefs: [{ name: 'gateway' }], hostnames: ['a.example.com'] }
}

const ingressPaths = (values: Values): string[] =>
  only(renderChart(values), 'Ingress').spec.rules.flatMap(
    ({ http }: { http: { paths: { path: string }[] } }) => http.paths.map(({ path }) => path)
  )
const routePaths = (values: Values): string[] =>
  only(renderChart(values), 'HTTPRoute').spec.rules.flatMap(
    ({ matches }: { matches: { path: { value: string } }[] }) => matches.map(({ path }) => path.value)
  )

t.test(
  'the outside sees the API, its description if wanted, and nothing else',
  { skip: needsHelm },
  async (t) => {
    t.strictSame(ingressPaths(ingress()), ['/api'])
    t.strictSame(routePaths(route), ['/api'])
    const docs = ['/api', '/docs', '/openapi.json']
    t.strictSame(ingressPaths({ ...ingress(), exposeDocs: true }), docs)
    t.strictSame(routePaths({ ...route, exposeDocs: true }), docs)
  }
)

t.test('no route ends a stream by the clock', { skip: needsHelm }, async (t) => {
  t.match(only(renderChart(route), 'HTTPRoute').spec.rules, [{ timeouts: { request: '0s' } }])
})

t.test(
  'an Ingress has what its controller needs for streams and large bodies',
  { skip: needsHelm },
  async (t) => {
    const annotations = (controller: string, more: Values = {}) =>
      only(renderChart({ ...ingress({ controller, ...more }) }), 'Ingress').metadata.annotations
    t.strictSame(annotations('ingress-nginx'), {
      'nginx.ingress.kubernetes.io/proxy-body-size': '10485760',
      'nginx.ingress.kubernetes.io/proxy-buffering': 'off',
      'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600',
      'nginx.ingress.kubernetes.io/proxy-send-timeout': '3600'
    })
    t.match(annotations('nginx'), {
      'nginx.org/proxy-buffering': 'False',
      'nginx.org/client-max-body-size': '10485760'
    })
    t.strictSame(annotations('haproxy'), { 'haproxy.org/timeout-server': '3600s' })
    t.equal(annotations(''), undefined)
    t.match(
      annotations('nginx', { annotations: { 'nginx.org/proxy-read-timeout': '60s' } }),
      { 'nginx.org/proxy-read-timeout': '60s', 'nginx.org/proxy-buffering': 'False' },
      'those that are given win'
    )
  }
)

t.test(
  'a network policy lets in clients and Prometheus, and out what the engine needs',
  { skip: needsHelm },
  async (t) => {
    const policy = (values: Values) =>
      only(renderChart({ ...values, networkPolicy: { enabled: true } }), 'NetworkPolicy').spec
    const ports = (values: Values) =>
      policy(values).egress.flatMap((rule: { ports: { port: number }[] }) =>
        rule.ports.map(({ port }) => port)
      )
    t.match(policy({}), {
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } },
            { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
            { podSelector: { matchLabels: { 'app.kubernetes.io/component': 'test' } } }
          ],
          ports: [{ port: 'http' }]
        }
      ]
    })
    t.strictSame(ports({}), [53, 53, 80, 443], 'DNS, and public links')
    t.strictSame(ports(distributed), [53, 53, 6379, 80, 443], 'and the Redis')
  }
)

t.test('while the only pod drains, its Service goes on pointing to it', { skip: needsHelm }, async (t) => {
  const service = (values: Values) =>
    renderChart(values).find(({ kind, metadata }) => kind === 'Service' && metadata.name === 'lastcall')?.spec
  t.equal(service({}).publishNotReadyAddresses, true)
  t.equal(service(distributed).publishNotReadyAddresses, undefined, 'where there are others, they take over')
})
