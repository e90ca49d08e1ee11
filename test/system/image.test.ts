import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmod, chown, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import {
  budgetsOf,
  containerOf,
  environmentOf,
  needsHelm,
  podTemplateOf,
  renderChart
} from '../helm/chart.ts'
import { distributed } from '../helm/variants.ts'
import { watchServer } from '../helper.ts'
import { freePort, needsRedis, startRedis } from '../redis.ts'
import { taskFile } from '../task-files.ts'
import { Client } from './retrying-client.ts'

t.setTimeout(300_000)

const run = promisify(execFile)
const image = process.env.LASTCALL_IMAGE ?? ''
const containers = fileURLToPath(new URL('../image/containers.conf', import.meta.url))
const env = { CONTAINERS_CONF: containers, ...process.env }
const podman = (...args: string[]) => run('podman', args, { env })

// Its Dockerfile is built by a script of its own, minutes before.
const skip =
  image === '' && !process.env.CI ? 'LASTCALL_IMAGE names no image: test/image/build makes one' : needsHelm

t.test('the Dockerfile pins its base, and builds and runs with the same Node', async (t) => {
  const dockerfile = await readFile(new URL('../../Dockerfile', import.meta.url), 'utf8')
  const bases = [...dockerfile.matchAll(/^FROM \S+ (\S+:\S+)/gm)].map(([, base]) => base)
  for (const base of bases) t.match(base, /^node:\d+\.\d+\.\d+-\w+-slim$/)
  t.equal(new Set(bases).size, 1)
})

t.test('the image says what it is, and holds what it needs', { skip }, async (t) => {
  const [{ Config, Size }] = JSON.parse((await podman('image', 'inspect', image)).stdout)
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  const commit = (await run('git', ['rev-parse', 'HEAD'])).stdout.trim()
  t.match(Config.User, /^[1-9]\d*:[1-9]\d*$/, 'a user with a number')
  t.match(Config.Cmd[0], 'node', 'no shell, no npm')
  t.match(Config.Labels, {
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.revision': commit,
    'org.opencontainers.image.source': String
  })
  t.comment(`${Math.round(Size / 2 ** 20)} MiB`)
  const list = `find . -name '*.node' -path '*prebuilds*'; du -sm node_modules | cut -f 1; ls`
  const { stdout } = await podman('run', '--rm', '--network=none', '--entrypoint=sh', image, '-c', list)
  const [driver = '', megabytes = '', ...top] = stdout.trim().split('\n')
  t.match(driver, `linux-${process.arch}`, 'one driver of SQLite, the right one')
  t.ok(Number(megabytes) < 40, `${megabytes} MB of packages`)
  t.strictSame(top.sort(), ['LICENSE', 'dist', 'node_modules', 'package.json'])
})

const types = {
  'gated.mjs': taskFile('gated', "onShutdown: 'requeue', onLost: 'requeue'"),
  'deaf.mjs': `export default {
    type: 'deaf', description: 'Does not listen.', input: {},
    run () { for (;;) {} }
  }`,
  'processor.mjs': `export default {
    type: 'processor', description: 'Says what it runs on.', input: {}, run: () => process.arch
  }`,
  'whoami.mjs': `import { accessSync, constants } from 'node:fs'
  export default {
    type: 'whoami', description: 'Says who it is, and where it may write.', input: {}, isolation: 'inline',
    run () {
      const writable = (path) => { try { accessSync(path, constants.W_OK); return true } catch { return false } }
      return { uid: process.getuid(), gid: process.getgid(), pid: process.pid,
        writable: ['/', '/app', '/app/dist', '/tasks', '/data', '/tmp'].filter(writable) }
    }
  }`
}

const arm64 = process.env.LASTCALL_IMAGE_ARM64 ?? ''
const skipArm64 =
  process.env.LASTCALL_NO_EMULATION ??
  (arm64 === '' && !process.env.CI
    ? 'LASTCALL_IMAGE_ARM64 names no image: test/image/build arm64 makes one, test/image/emulate lets it run'
    : needsHelm)

t.test('the image for arm64 runs tasks in child processes and drains', { skip: skipArm64 }, async (t) => {
  const dir = await makeVolumes(t)
  const pod = await startPod(t, dir, {}, { from: arm64 })
  await pod.listening()
  const taskId = await start(pod.client, 'processor')
  await pod.client.follow(taskId).done
  t.match((await pod.client.get(taskId)).body, { status: 'completed', result: 'arm64' })
  const gated = await start(pod.client, 'gated', { gate: '/gate/open' })
  await started(pod.client, gated)
  await pod.kill('SIGTERM')
  await writeFile(join(dir, 'gate/open'), '')
  t.strictSame(await pod.exited, [0, null])
})

/** Volumes of a pod: the claim, owned as fsGroup would have it, and task types as a ConfigMap is mounted, by links to links. */
async function makeVolumes(t: Test) {
  const dir = t.testdir({ data: {}, tasks: { '..2026': types }, gate: {} })
  await chmod(dir, 0o755)
  await symlink('..2026', join(dir, 'tasks/..data'))
  for (const name of Object.keys(types)) await symlink(`..data/${name}`, join(dir, 'tasks', name))
  await chown(join(dir, 'data'), 1000, 1000)
  await mkdir(join(dir, 'gate'), { recursive: true })
  return dir
}

/** What a kubelet would make of the pod that the chart renders, on the network of this machine. */
async function startPod(
  t: Test,
  dir: string,
  values: Record<string, unknown> = {},
  { redis = '', from = image } = {}
) {
  const port = await freePort()
  const config = { GRACEFUL_SHUTDOWN_TIMEOUT: 20, CANCEL_GRACE: 1, PORT: port, HOST: '127.0.0.1' }
  const objects = renderChart({
    ...values,
    tasks: { existingConfigMap: 'types' },
    config: { ...config, ...Object(values.config) }
  })
  const { securityContext } = containerOf(objects)
  const pod = podTemplateOf(objects).spec?.securityContext
  const settings = environmentOf(objects, { redis: { address: redis } })
  const args = [
    ...['run', '--rm', '--network=host', `--user=${pod?.runAsUser}:${pod?.runAsGroup}`],
    ...(securityContext?.readOnlyRootFilesystem ? ['--read-only', '--read-only-tmpfs=false'] : []),
    ...(securityContext?.capabilities?.drop ?? []).map((capability) => `--cap-drop=${capability}`),
    ...(securityContext?.allowPrivilegeEscalation === false ? ['--security-opt=no-new-privileges'] : []),
    ...['--tmpfs=/tmp', '-v', `${dir}/tasks:/tasks:ro`, '-v', `${dir}/gate:/gate:ro`],
    ...(redis === '' ? ['-v', `${dir}/data:/data`] : []),
    ...Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`])
  ]
  const name = `lastcall-test-${port}`
  const child: ChildProcess = spawn('podman', [...args, `--name=${name}`, from], {
    env,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => podman('rm', '--force', '--ignore', '--time=0', name))
  const server = watchServer(t, child)
  const url = `http://127.0.0.1:${port}`
  const client = new Client(() => url)
  t.teardown(() => client.close())
  return {
    ...server,
    url,
    client,
    budgets: budgetsOf(objects),
    kill: (signal: string) => podman('kill', `--signal=${signal}`, name)
  }
}

const start = async (client: Client, type: string, input: object = {}): Promise<string> => {
  const { status, body } = await client.start({ type, input }, `${type}-${Math.random()}`)
  if (status !== 202) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body.taskId
}
const started = (client: Client, taskId: string) =>
  client.follow(taskId).seen(({ type }) => type === 'task_started')

t.test(
  'as process 1, without rights and in a tree that it cannot write to, it serves',
  { skip },
  async (t) => {
    const dir = await makeVolumes(t)
    const pod = await startPod(t, dir)
    await pod.listening()
    const taskId = await start(pod.client, 'whoami')
    await pod.client.follow(taskId).done
    t.match((await pod.client.get(taskId)).body, {
      status: 'completed',
      result: { uid: 1000, gid: 1000, pid: 1, writable: ['/data', '/tmp'] }
    })
    const bom = 'Reference,Value,Qty,MPN\n"R1,R2",10k,2,RC0603\n'
    const stock = 'part_id,manufacturer_code,value,quantity\nA1,RC0603,10k,100\n'
    const inThread = await start(pod.client, 'bom-coverage', { bom, stock, boards: 1 })
    await pod.client.follow(inThread).done
    t.match((await pod.client.get(inThread)).body, { status: 'completed' })
    for (const path of ['/docs/', '/openapi.json', '/metrics'])
      t.equal((await fetch(pod.url + path)).status, 200, path)

    await pod.kill('SIGTERM')
    t.strictSame(await pod.exited, [0, null], 'it gets the signal itself')
    t.ok(
      pod.lines.every(({ level }) => level > 0),
      'its log is JSON'
    )
  }
)

t.test('a drain ends with its last task, and serves until then', { skip }, async (t) => {
  const dir = await makeVolumes(t)
  const pod = await startPod(t, dir)
  await pod.listening()
  const taskId = await start(pod.client, 'gated', { gate: '/gate/open' })
  await started(pod.client, taskId)
  await pod.kill('SIGTERM')
  while ((await fetch(`${pod.url}/readyz`)).status !== 503) {}
  t.equal((await fetch(`${pod.url}/healthz`)).status, 200)
  await writeFile(join(dir, 'gate/open'), '')
  t.strictSame(await pod.exited, [0, null])
})

t.test('a drain over its budget puts tasks back, and the next container goes on', { skip }, async (t) => {
  const dir = await makeVolumes(t)
  const short = { config: { GRACEFUL_SHUTDOWN_TIMEOUT: 1 } }
  const pod = await startPod(t, dir, short)
  await pod.listening()
  const gated = await start(pod.client, 'gated', { gate: '/gate/open' })
  const deaf = await start(pod.client, 'deaf')
  await started(pod.client, gated)
  await started(pod.client, deaf)
  const toldAt = performance.now()
  await pod.kill('SIGTERM')
  t.strictSame(await pod.exited, [0, null])
  const seconds = (performance.now() - toldAt) / 1000
  t.ok(seconds < pod.budgets.gracePeriod - pod.budgets.preStop, `it left after ${seconds.toFixed(1)} s`)

  const next = await startPod(t, dir, short)
  await next.listening()
  t.match((await next.client.get(deaf)).body, { status: 'cancelled', cancelReason: 'shutdown' })
  await writeFile(join(dir, 'gate/open'), '')
  await next.client.follow(gated).done
  t.match((await next.client.get(gated)).body, { status: 'completed', attempt: 2 })
})

t.test('after SIGKILL the next container has all that was answered', { skip }, async (t) => {
  const dir = await makeVolumes(t)
  const pod = await startPod(t, dir)
  await pod.listening()
  const taskId = await start(pod.client, 'gated', { gate: '/gate/open' })
  await started(pod.client, taskId)
  await pod.kill('SIGKILL')
  await pod.exited

  const next = await startPod(t, dir)
  await next.listening()
  await writeFile(join(dir, 'gate/open'), '')
  await next.client.follow(taskId).done
  t.match((await next.client.get(taskId)).body, { status: 'completed', attempt: 2 })
})

t.test('a volume that belongs to somebody else stops the start, and the log says so', { skip }, async (t) => {
  const dir = await makeVolumes(t)
  await chown(join(dir, 'data'), 0, 0)
  await chmod(join(dir, 'data'), 0o755)
  const pod = await startPod(t, dir)
  t.strictSame(await pod.exited, [1, null])
  t.match(pod.lines.at(-1)?.msg, /\/data/)
})

t.test(
  'two containers share a Redis, and one continues what the other requeues',
  { skip: skip || needsRedis() },
  async (t) => {
    const dir = await makeVolumes(t)
    const redis = await startRedis(t)
    const short = { ...distributed, config: { GRACEFUL_SHUTDOWN_TIMEOUT: 1 } }
    const pod = await startPod(t, dir, short, { redis: redis.url })
    await pod.listening()
    const taskId = await start(pod.client, 'gated', { gate: '/gate/open' })
    await started(pod.client, taskId)
    const next = await startPod(t, dir, short, { redis: redis.url })
    await next.listening()
    const following = next.client.follow(taskId)
    await pod.kill('SIGTERM')
    t.strictSame(await pod.exited, [0, null])
    await writeFile(join(dir, 'gate/open'), '')
    await following.done
    t.match((await next.client.get(taskId)).body, { status: 'completed', attempt: 2 })
  }
)
