import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { needsCommand, spawnServer, startServer } from '../helper.ts'
import { durable, freePort, needsRedis, startRedis } from '../redis.ts'
import { taskFiles } from '../task-files.ts'
import { setUpPods } from './pods.ts'
import { Client } from './retrying-client.ts'

t.setTimeout(180_000)

const skip = needsRedis()

const taskTypes = {
  ...taskFiles('gated', 'quick')
}

const post = (url: string, headers: Record<string, string> = {}) =>
  fetch(`${url}/api/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ type: 'quick', input: {} })
  })

/** Asserts that a pod says what is wrong: in its readiness, in the answer to a request, in time, and in its log. */
async function saysWhy(t: Test, pod: Awaited<ReturnType<typeof startServer>>, why: RegExp, reads = false) {
  const readyz = await fetch(`${pod.url}/readyz?verbose`)
  t.equal(readyz.status, 503)
  t.match(await readyz.json(), {
    status: 'task service unhealthy',
    checks: { tasks: { ok: false, detail: why } }
  })
  const at = performance.now()
  const answer = await post(pod.url, { 'idempotency-key': 'k' })
  t.ok(performance.now() - at < 2_000, 'a request is answered within two seconds')
  t.match(
    { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: await answer.json() },
    { status: 503, retryAfter: /^[1-9]/, body: { code: 'STORE_UNAVAILABLE', message: why } }
  )
  t.match(await pod.logged(({ level }) => level >= 50), { reason: why })
  if (reads) return
  const stream = await fetch(`${pod.url}/api/tasks/01890000-0000-7000-8000-000000000000/stream`)
  t.match([stream.status, await stream.text()], [200, /^retry: \d{4}\n\n$/], 'EventSource comes back')
}

t.test('a wrong password is named', { skip }, async (t) => {
  const redis = await startRedis(t, ['--requirepass', 'right'])
  for (const [credentials, why] of [
    [':wrong@', /WRONGPASS|invalid username-password/],
    ['', /NOAUTH|Authentication required/]
  ] as const) {
    const pod = await startServer(t, { TASK_STORE_URL: `redis://${credentials}127.0.0.1:${redis.port}` })
    await saysWhy(t, pod, why)
    t.notMatch(JSON.stringify(pod.lines), /wrong@|:wrong/, 'and not told to the log')
  }
  const pod = await startServer(t, { TASK_STORE_URL: `redis://:right@127.0.0.1:${redis.port}` })
  t.equal((await fetch(`${pod.url}/readyz`)).status, 200)
})

t.test('a Redis that hangs is noticed in time, and what was running goes on', { skip }, async (t) => {
  const { start, redis, witness, gate, openGate } = await setUpPods(t, taskTypes)
  const pod = await start()
  const taskId = await witness.start({ type: 'gated', input: { gate } }, 'task')
  const stream = witness.follow(taskId)
  await stream.seen(({ type }) => type === 'task_started')

  redis.signal('SIGSTOP')
  await saysWhy(t, pod, /no answer/)
  await openGate()
  redis.signal('SIGCONT')

  t.equal(await stream.done, 'ended')
  t.match(await witness.read(taskId), { status: 'completed', attempt: 1 })
  t.strictSame(await witness.verify(), [])
})

t.test(
  'a Redis that is full is named; what runs still ends, and what was accepted stays',
  { skip },
  async (t) => {
    const { start, redis, witness, gate, openGate } = await setUpPods(t, taskTypes)
    const pod = await start()
    const taskId = await witness.start({ type: 'gated', input: { gate } }, 'task')
    const stream = witness.follow(taskId)
    await stream.seen(({ type }) => type === 'task_started')

    await redis.command('CONFIG', 'SET', 'maxmemory', '1')
    await saysWhy(t, pod, /OOM/, true)
    await openGate()
    t.equal(await stream.done, 'ended', 'an end makes room, so it is taken')
    await redis.command('CONFIG', 'SET', 'maxmemory', '0')

    const next = await witness.start({ type: 'quick', input: { n: 1 } }, 'next')
    t.equal(await witness.follow(next).done, 'ended')
    t.strictSame(await witness.verify(), [])
  }
)

t.test(
  'an exit without Redis ends in its time and in order, and says that outcomes are missing',
  { skip },
  async (t) => {
    const { start, redis, witness, gate } = await setUpPods(t, taskTypes, {
      GRACEFUL_SHUTDOWN_TIMEOUT: '1',
      CANCEL_GRACE: '1'
    })
    const pod = await start()
    const taskId = await witness.start({ type: 'gated', input: { gate } }, 'task')
    await witness.follow(taskId).seen(({ type }) => type === 'task_started')
    await redis.stop('SIGKILL')
    const at = performance.now()
    pod.child.kill('SIGTERM')

    await pod.logged(({ msg }) => msg === 'drained, but not everything could be recorded')
    t.match(await pod.logged(({ msg }) => msg === 'shutdown complete'), { exitCode: 1 })
    await pod.exited
    t.equal(pod.child.exitCode, 1)
    const seconds = (performance.now() - at) / 1_000
    t.ok(seconds < 1 + 1 + 2, `after ${seconds} s of its budget of 4`)
  }
)

t.test('a Redis that is no primary any more is named, until it is again', { skip }, async (t) => {
  const { start, redis, witness } = await setUpPods(t, taskTypes)
  const pod = await start()
  await redis.command('REPLICAOF', '127.0.0.1', '1')
  await saysWhy(t, pod, /READONLY|read only replica/, true)
  await redis.command('REPLICAOF', 'NO', 'ONE')

  const next = await witness.start({ type: 'quick', input: { n: 1 } }, 'next')
  t.equal(await witness.follow(next).done, 'ended')
  t.strictSame(await witness.verify(), [])
})

t.test('a Redis that may drop or forget tasks is warned of', { skip }, async (t) => {
  const redis = await startRedis(t, ['--maxmemory', '1gb', '--maxmemory-policy', 'allkeys-lru'])
  const pod = await startServer(t, { TASK_STORE_URL: redis.url })

  t.match(await pod.logged(({ msg }) => msg.includes('noeviction')), { level: 40, msg: /allkeys-lru/ })
  t.match(await pod.logged(({ msg }) => msg.includes('append-only')), { level: 40 })
  t.equal((await fetch(`${pod.url}/readyz`)).status, 200)
})

t.test(
  'rediss:// works, and trusts nobody whom it was not told to',
  { skip: skip || needsCommand('openssl') },
  async (t) => {
    const dir = t.testdir({ types: taskTypes })
    const [key, certificate] = [join(dir, 'key.pem'), join(dir, 'certificate.pem')]
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost']
    const names = [
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      certificate
    ]
    await promisify(execFile)('openssl', [...request, ...names])
    const tlsPort = await freePort()
    const tls = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate]
    await startRedis(t, [...durable(dir), '--tls-port', `${tlsPort}`, '--tls-auth-clients', 'no', ...tls])
    const env = { TASK_STORE_URL: `rediss://127.0.0.1:${tlsPort}`, TASKS_DIR: join(dir, 'types') }

    const wary = await startServer(t, env)
    await saysWhy(t, wary, /certificate/)
    const pod = await startServer(t, { ...env, NODE_EXTRA_CA_CERTS: certificate })
    const client = new Client(() => pod.url)
    t.teardown(() => client.close())
    const { body } = await client.start({ type: 'quick', input: { n: 7 } }, 'k')
    t.equal(await client.follow(body.taskId).done, 'ended')
    t.match((await client.get(body.taskId)).body, { status: 'completed', result: 7 })
  }
)

t.test('two services with prefixes of their own do not see each other on one Redis', { skip }, async (t) => {
  const { env, start, witness } = await setUpPods(t, taskTypes)
  await start()
  const stranger = spawnServer(t, { ...env, TASK_QUEUE_PREFIX: 'stranger' })
  const strangerUrl = await stranger.listening()
  const taskId = await witness.start({ type: 'quick', input: { n: 1 } }, 'task')
  t.equal(await witness.follow(taskId).done, 'ended')

  t.equal((await fetch(`${strangerUrl}/api/tasks/${taskId}`)).status, 404)
  t.strictSame(await (await fetch(`${strangerUrl}/api/tasks`)).json(), { tasks: [] })
})
