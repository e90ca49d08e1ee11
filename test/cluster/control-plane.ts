/** etcd, the API server, the controllers and the scheduler of Kubernetes as processes on loopback, as envtest has them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Health, KubeConfig } from '@kubernetes/client-node'
import { freePort } from '../redis.ts'
import { track } from './children.ts'
import { serviceRange } from './network.ts'

/** A folder with the programs; test/cluster/tools/build makes one. */
export const assets = process.env.KUBEBUILDER_ASSETS ?? ''

/** Why tests that need a control plane are skipped, if they are. */
export const needsControlPlane: string | false =
  assets === '' ? 'KUBEBUILDER_ASSETS is not set: npm run cluster builds a control plane' : false

/** How long a node may be silent before its pods are taken for lost, and then before they are evicted, in seconds. */
const nodeGracePeriod = 8
const evictionDelay = 2

interface Teardown {
  teardown(handler: () => unknown): void
}

/** Starts a control plane that keeps everything in `dir`. Resolves when its API answers. */
export async function startControlPlane(t: Teardown, dir: string) {
  mkdirSync(dir, { recursive: true })
  const children: ChildProcess[] = []
  const start = (program: string, args: Record<string, string | number | boolean>) => {
    const log = openSync(join(dir, `${program}.log`), 'a')
    const words = Object.entries(args).map(([name, value]) => `--${name}=${value}`)
    const child = track(spawn(join(assets, program), words, { stdio: ['ignore', log, log] }))
    children.push(child)
    return child
  }
  t.teardown(async () => {
    // The API server first: without etcd it would wait.
    for (const child of children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
  })

  const [etcdPort, peerPort, apiPort] = [await freePort(), await freePort(), await freePort()]
  const etcd = `http://127.0.0.1:${etcdPort}`
  const peer = `http://127.0.0.1:${peerPort}`
  start('etcd', {
    'data-dir': join(dir, 'etcd'),
    'listen-client-urls': etcd,
    'advertise-client-urls': etcd,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
    // A test's cluster need not survive a power cut.
    'unsafe-no-fsync': true
  })

  const key = join(dir, 'service-account.key')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(key, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 })
  const token = randomUUID()
  writeFileSync(join(dir, 'tokens.csv'), `${token},admin,admin,system:masters\n`, { mode: 0o600 })
  const server = `https://127.0.0.1:${apiPort}`
  const apiServer = start('kube-apiserver', {
    'etcd-servers': etcd,
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'endpoint-reconciler-type': 'none',
    'secure-port': apiPort,
    'cert-dir': join(dir, 'certificates'),
    'token-auth-file': join(dir, 'tokens.csv'),
    'authorization-mode': 'RBAC',
    'service-cluster-ip-range': `${serviceRange},fd00:96::/112`,
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': key,
    'service-account-signing-key-file': key,
    'default-not-ready-toleration-seconds': evictionDelay,
    'default-unreachable-toleration-seconds': evictionDelay,
    v: 1
  })

  const config = new KubeConfig()
  config.loadFromOptions({
    clusters: [{ name: 'test', server, skipTLSVerify: true }],
    users: [{ name: 'admin', token }],
    contexts: [{ name: 'test', cluster: 'test', user: 'admin' }],
    currentContext: 'test'
  })
  const kubeconfig = join(dir, 'kubeconfig')
  writeFileSync(kubeconfig, config.exportConfig(), { mode: 0o600 })

  const deadline = performance.now() + 120_000
  while (!(await answers(apiServer, config))) {
    if (apiServer.exitCode !== null || performance.now() > deadline)
      throw new Error(readFileSync(join(dir, 'kube-apiserver.log'), 'utf8').slice(-4000))
    await sleep(200)
  }
  start('kube-controller-manager', {
    kubeconfig,
    'leader-elect': false,
    'secure-port': 0,
    'service-account-private-key-file': key,
    'node-monitor-grace-period': `${nodeGracePeriod}s`,
    'node-monitor-period': '1s',
    'pvclaimbinder-sync-period': '1s'
  })
  start('kube-scheduler', { kubeconfig, 'leader-elect': false, 'secure-port': 0 })
  return { config, kubeconfig, dir }
}

/** Whether it is ready: the controllers give up on one that is not after ten seconds. */
async function answers(apiServer: ChildProcess, config: KubeConfig): Promise<boolean> {
  return apiServer.exitCode === null && new Health(config).readyz({}).catch(() => false)
}
