/** What makes Services of EndpointSlices: an nginx on each Service's address, as kube-proxy and a gateway would choose. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CoreV1Api,
  DiscoveryV1Api,
  type KubeConfig,
  makeInformer,
  type V1Endpoint,
  type V1EndpointSlice,
  type V1Service
} from '@kubernetes/client-node'
import { track } from './children.ts'
import { onLoopback } from './network.ts'
import { keepWatching } from './watch.ts'

/** Those that are ready; if none is, those that terminate and still serve. */
export function choose(endpoints: readonly V1Endpoint[]): V1Endpoint[] {
  const ready = endpoints.filter(({ conditions }) => conditions?.ready !== false)
  if (ready.length > 0) return ready
  return endpoints.filter(({ conditions }) => conditions?.serving && conditions.terminating)
}

interface Teardown {
  teardown(handler: () => unknown): void
}

export async function startServices(t: Teardown, config: KubeConfig, dir: string) {
  mkdirSync(dir, { recursive: true })
  const file = join(dir, 'nginx.conf')
  const hosts = join(dir, 'hosts.json')
  const services = new Map<string, V1Service>()
  const slices = new Map<string, V1EndpointSlice>()

  const endpointsOf = (service: V1Service) =>
    [...slices.values()].filter(
      ({ metadata }) =>
        metadata?.namespace === service.metadata?.namespace &&
        metadata?.labels?.['kubernetes.io/service-name'] === service.metadata?.name
    )
  const addressesOf = (service: V1Service): string[] =>
    endpointsOf(service).flatMap(({ endpoints = [], ports }) =>
      choose(endpoints ?? []).map(
        ({ addresses: [address = ''] }) => `${onLoopback(address)}:${ports?.[0]?.port}`
      )
    )
  const configure = () => {
    const own = [...services.values()].filter(({ spec }) => spec?.clusterIP?.startsWith('10.'))
    writeFileSync(
      file,
      configuration(
        dir,
        own.map((service) => server(service, addressesOf(service)))
      )
    )
    const names = [...services.values()].map(({ metadata, spec }) => [
      `${metadata?.namespace}/${metadata?.name}`,
      spec?.clusterIP?.startsWith('10.')
        ? onLoopback(spec.clusterIP)
        : addressesOf({ metadata, spec } as V1Service)[0]?.split(':')[0]
    ])
    writeFileSync(hosts, JSON.stringify(Object.fromEntries(names.filter(([, address]) => address))))
  }
  configure()
  const child = track(
    spawn('nginx', ['-c', file, '-p', dir, '-e', join(dir, 'error.log')], { stdio: 'ignore' })
  )
  t.teardown(async () => {
    const exited = once(child, 'exit')
    if (child.exitCode === null && child.kill('SIGTERM')) await exited
  })
  const pidFile = join(dir, 'nginx.pid')
  for (let tries = 0; !exists(pidFile); tries++) {
    if (child.exitCode !== null || tries > 500) throw new Error(readFileSync(join(dir, 'error.log'), 'utf8'))
    await sleep(10)
  }

  let pending = false
  const changed = () => {
    if (pending) return
    pending = true
    setTimeout(() => {
      pending = false
      const before = readFileSync(file, 'utf8')
      configure()
      if (readFileSync(file, 'utf8') !== before) child.kill('SIGHUP')
    }, 20)
  }
  let stopped = false
  const watch = async <T extends V1Service | V1EndpointSlice>(
    path: string,
    list: () => Promise<{ items: T[] }>,
    known: Map<string, T>
  ) => {
    const informer = makeInformer<T>(config, path, list as never)
    informer.on('change', (object) => {
      known.set(object.metadata?.uid ?? '', object)
      changed()
    })
    informer.on('delete', (object) => {
      known.delete(object.metadata?.uid ?? '')
      changed()
    })
    await keepWatching(informer, () => stopped)
    t.teardown(() => informer.stop())
  }
  t.teardown(() => {
    stopped = true
  })
  const core = config.makeApiClient(CoreV1Api)
  const discovery = config.makeApiClient(DiscoveryV1Api)
  await watch('/api/v1/services', () => core.listServiceForAllNamespaces(), services)
  await watch(
    '/apis/discovery.k8s.io/v1/endpointslices',
    () => discovery.listEndpointSliceForAllNamespaces(),
    slices
  )
  return { hosts }
}

const exists = (file: string): boolean => {
  try {
    readFileSync(file)
    return true
  } catch {
    return false
  }
}

const server = ({ metadata, spec }: V1Service, addresses: string[]): string => {
  const name = `${metadata?.namespace}-${metadata?.name}`
  const listen = `listen ${onLoopback(spec?.clusterIP ?? '')}:${spec?.ports?.[0]?.port};`
  // As a Service refuses connections: nothing that is no service's answer may look like one.
  if (addresses.length === 0) return `server { ${listen} location / { return 444; } }`
  return `upstream ${name} {
    ${addresses.map((address) => `server ${address};`).join(' ')}
    keepalive 32;
  }
  server {
    ${listen}
    location / {
      proxy_pass http://${name};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_read_timeout 3600s;
      error_page 502 504 = @gone;
    }
    location @gone { return 444; }
  }`
}

const configuration = (dir: string, servers: string[]) => `
daemon off;
pid ${dir}/nginx.pid;
worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off;
  client_max_body_size 10m;
  # A reload closes clients' idle connections, and a request may be on its way in one. What is tested is the way to the pods.
  keepalive_timeout 0;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  server { listen unix:${dir}/idle.sock; }
  ${servers.join('\n  ')}
}
`
