/** Drains that last longer than every default time limit on the way: 10 s of plugins, 60 s of proxies, 72 s of keep-alive. */
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { needsRedis, startRedis } from '../redis.ts'
import { taskFiles } from '../task-files.ts'
import { follow } from './event-source.ts'
import { fakeTime } from './fake-time.ts'
import { needsNginx, startNginx } from './nginx.ts'
import { setUpService } from './service.ts'

t.setTimeout(300_000)
t.jobs = 8 // they wait most of the time

const longSeconds = 80

const types = {
  ...taskFiles('gated', 'quick')
}

interface Asked {
  status: number | undefined
  text: string
  headers: IncomingMessage['headers']
}

/** One request, on a connection of its own unless an agent keeps one. */
async function ask(url: string, { method = 'GET', body, agent, token }: AskOptions = {}): Promise<Asked> {
  const headers = {
    ...(body ? { 'content-type': 'application/json' } : {}),
    ...(token ? { authorization: `Bearer ${token}` } : {})
  }
  const sent = request(url, { method, agent: agent ?? false, headers })
  sent.end(body && JSON.stringify(body))
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk
    // A stream goes on; its first event is enough.
    if (url.endsWith('/stream') && text.includes('data:')) break
  }
  return { status: response.statusCode, text, headers: response.headers }
}

interface AskOptions {
  method?: string
  body?: object
  agent?: Agent
  token?: string
}

const stores: Record<string, { skip: string | false; url: (t: Test, dir: string) => Promise<string> }> = {
  embedded: { skip: needsNginx(), url: async (_t, dir) => `sqlite:${dir}/tasks.db` },
  distributed: { skip: needsRedis() || needsNginx(), url: async (t) => (await startRedis(t)).url }
}

for (const [engine, { skip, url: storeUrl }] of Object.entries(stores)) {
  const setUp = async (t: Test, settings: Record<string, string> = {}) => {
    const service = setUpService(t, types, { ADMIN_TOKEN: 'operator', ...settings })
    const server = await service.start({ TASK_STORE_URL: await storeUrl(t, service.dir) })
    const input = { gate: service.gate }
    const running = await service.witness.start({ type: 'gated', input }, 'running')
    const stream = service.witness.follow(running)
    await stream.seen(({ type }) => type === 'task_started')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.teardown(() => agent.destroy())

    /** What was answered otherwise than it must be in one second of a drain. */
    const inspect = async (accepts: boolean): Promise<unknown[]> => {
      const { url } = server
      const [healthz, readyz, kept, metrics, status, live, post, drain] = await Promise.all([
        ask(`${url}/healthz`),
        ask(`${url}/readyz`),
        ask(`${url}/healthz`, { agent }),
        ask(`${url}/metrics`),
        ask(`${url}/api/tasks/${running}`),
        ask(`${url}/api/tasks/${running}/stream`),
        ask(`${url}/api/tasks`, { method: 'POST', body: { type: 'quick', input: { n: 1 } } }),
        ask(`${url}/admin/drain`, { token: 'operator' })
      ])
      const taskId: string = accepts ? JSON.parse(post.text).taskId : ''
      const right = {
        healthz: healthz.status === 200 && healthz.text === 'alive' && kept.text === 'alive',
        readyz: readyz.status === 503 && readyz.text === 'draining',
        metrics: metrics.status === 200 && metrics.text.includes('task_draining_state 1'),
        status: JSON.parse(status.text).status === 'running',
        stream: live.status === 200 && live.text.includes('task_started'),
        post: accepts ? post.status === 202 : post.status === 503 && Number(post.headers['retry-after']) > 0,
        drain: drain.status === 200 && JSON.parse(drain.text).draining === true,
        accepted: !accepts || (await service.client.get(taskId)).status === 200
      }
      return Object.values(right).every(Boolean) ? [] : [right]
    }
    return { ...service, server, running, stream, input, inspect }
  }

  t.test(`a drain of ${longSeconds} s is served to its end: ${engine}`, { skip }, async (t) => {
    const { dir, server, witness, client, running, stream, input, inspect, openGate } = await setUp(t)
    const nginx = await startNginx(t, dir)
    await nginx.point([server.url])
    const proxied = follow(() => `${nginx.url}/api/tasks/${running}/stream`)
    t.teardown(() => proxied.stop())
    await proxied.seen(({ type }) => type === 'task_started')
    const { connections } = proxied
    // When it ended: what comes after that is nginx's own answer, because nobody is behind it any more.
    const ended = proxied.seen(({ type }) => type === 'task_completed').then(() => proxied.connections)
    const cancelled = await witness.start({ type: 'gated', input }, 'cancelled')
    await witness.follow(cancelled).seen(({ type }) => type === 'task_started')

    server.child.kill('SIGTERM')
    await server.logged(({ msg }) => msg === 'draining before exit')
    const wrong: unknown[] = []
    for (let second = 1; second <= longSeconds; second++) {
      for (const answer of await inspect(false)) wrong.push({ second, answer })
      await sleep(1000)
    }
    t.strictSame(wrong, [], 'everything is served in each second')
    t.equal((await client.cancel(cancelled)).status, 202)
    await openGate()

    t.strictSame(await server.exited, [0, null])
    t.ok(await stream.seen(({ type }) => type === 'task_completed'), 'the stream saw the end of its task')
    t.match(await server.logged(({ msg }) => msg === 'drained'), { outcome: 'clean', reason: 'SIGTERM' })
    t.equal(stream.connections, 1, 'on one connection')
    t.equal(await ended, connections, 'so did one through nginx, at its defaults')
  })

  t.test(`a drain by hand of ${longSeconds} s, and then a signal: ${engine}`, { skip }, async (t) => {
    const { server, stream, inspect, openGate } = await setUp(t)
    const drain = await ask(`${server.url}/admin/drain`, { method: 'POST', token: 'operator', body: {} })
    t.equal(drain.status, 202)
    const wrong: unknown[] = []
    for (let second = 1; second <= longSeconds; second++) {
      if (second === longSeconds / 2) server.child.kill('SIGTERM')
      for (const answer of await inspect(false)) wrong.push({ second, answer })
      await sleep(1000)
    }
    t.strictSame(wrong, [])
    await openGate()

    t.strictSame(await server.exited, [0, null])
    t.ok(await stream.seen(({ type }) => type === 'task_completed'))
  })

  t.test(`a SHUTDOWN_DELAY of 20 s takes tasks in each second of it: ${engine}`, { skip }, async (t) => {
    const { server, inspect, openGate } = await setUp(t, { SHUTDOWN_DELAY: '20', MAX_WORKERS: '8' })
    const signalled = performance.now()
    server.child.kill('SIGTERM')
    await server.logged(({ msg }) => msg.startsWith('shutdown requested; still serving'))
    const wrong: unknown[] = []
    while (performance.now() - signalled < 18_000) {
      for (const answer of await inspect(true)) wrong.push({ at: performance.now() - signalled, answer })
      await sleep(1000)
    }
    t.strictSame(wrong, [])
    await openGate()

    t.strictSame(await server.exited, [0, null])
    t.ok(performance.now() - signalled >= 20_000, 'it waited for the whole delay')
  })
}

t.test(
  'the default drain of 600 s is served to its deadline, by a clock 20 times as fast',
  fakeTime,
  async (t) => {
    // Its time limit would end it earlier; a longer grace is a margin for a busy machine, whose seconds are shorter here.
    const { start, witness, gate } = setUpService(t, types, { TASK_TIMEOUT: '3600', CANCEL_GRACE: '60' })
    const server = await start({ ...fakeTime.env, FAKETIME: '+0 x20' })
    const running = await witness.start({ type: 'gated', input: { gate } }, 'running')
    const stream = witness.follow(running)
    await stream.seen(({ type }) => type === 'task_started')

    server.child.kill('SIGTERM')
    await server.logged(({ msg }) => msg === 'draining before exit')
    const states = new Set<string>()
    for (let isThere = true; isThere; await sleep(50)) {
      const answers = Promise.all([ask(`${server.url}/healthz`), ask(`${server.url}/readyz`)])
      await answers.then(
        ([healthz, readyz]) => states.add(`${healthz.text} ${readyz.text}`),
        () => {
          isThere = false
        }
      )
    }
    t.strictSame([...states], ['alive draining'])

    t.strictSame(await server.exited, [0, null])
    const drained = await server.logged(({ msg }) => msg === 'drained')
    t.match(drained, { outcome: 'cancelled' })
    t.ok(Number(drained.seconds) >= 600, `it drained for ${drained.seconds} s, served until then`)
    t.ok(await stream.seen(({ type, json }) => type === 'task_cancelled' && /shutdown/.test(json)))
  }
)
