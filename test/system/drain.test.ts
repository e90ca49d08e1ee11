import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { startServer } from '../helper.ts'
import { taskFile, taskFiles } from '../task-files.ts'
import { setUpService } from './service.ts'

t.setTimeout(180_000)

const taskTypes = taskFiles('gated', 'spin', 'deaf', 'quick', 'stepper')

const setUp = (t: Test, settings?: Record<string, string>) => setUpService(t, taskTypes, settings)

type Server = Awaited<ReturnType<typeof startServer>>

const drains = (server: Server) => server.logged(({ msg }) => msg === 'draining before exit')
const exitCode = async (server: Server) => (await server.exited)[0]

/** One request on a connection of its own. */
async function ask(url: string, method = 'GET', body?: object) {
  const sent = request(url, {
    method,
    agent: false,
    headers: body ? { 'content-type': 'application/json' } : {}
  })
  sent.end(body && JSON.stringify(body))
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return { status: response.statusCode, headers: response.headers, text }
}

t.test('while it drains everything is served on new connections, but for new tasks', async (t) => {
  const { gate, openGate, start, witness } = setUp(t, { MAX_WORKERS: '2', ADMIN_TOKEN: 'operator' })
  const server = await start()
  const running = await witness.start({ type: 'gated', input: { gate } }, 'running')
  const stream = witness.follow(running)
  const cancelled = await witness.start({ type: 'gated', input: { gate } }, 'cancelled')
  const waiting = await witness.start({ type: 'quick', input: {} }, 'waiting')
  await stream.seen(({ type }) => type === 'task_started')

  server.child.kill('SIGTERM')
  await drains(server)
  const { url } = server
  const wrong: unknown[] = []
  const expect = (what: string, ok: boolean, answer: unknown) => ok || wrong.push({ what, answer })
  for (let round = 0; round < 30; round++) {
    const [healthz, readyz, metrics, status, list, post, live] = await Promise.all([
      ask(`${url}/healthz`),
      ask(`${url}/readyz`),
      ask(`${url}/metrics`),
      ask(`${url}/api/tasks/${running}`),
      ask(`${url}/api/tasks`),
      ask(`${url}/api/tasks`, 'POST', { type: 'quick', input: {} }),
      firstEvent(`${url}/api/tasks/${running}/stream`)
    ])
    expect('healthz', healthz.status === 200 && healthz.text === 'alive', healthz)
    expect('readyz', readyz.status === 503 && readyz.text === 'draining', readyz)
    expect('metrics', metrics.status === 200 && metrics.text.includes('task_draining_state 1'), metrics)
    expect('status', status.status === 200 && JSON.parse(status.text).status === 'running', status)
    expect('list', list.status === 200, list)
    expect(
      'post',
      post.status === 503 &&
        JSON.parse(post.text).code === 'SERVICE_DRAINING' &&
        Number(post.headers['retry-after']) > 0,
      post
    )
    expect('stream', live.includes('task_started'), live)
    await sleep(20)
  }
  t.strictSame(wrong, [])
  t.equal((await ask(`${url}/api/tasks/${cancelled}/cancel`, 'POST')).status, 202)
  t.equal((await ask(`${url}/admin/drain`, 'DELETE')).status, 401)
  await openGate()

  t.equal(await exitCode(server), 0)
  await start()
  t.match(await witness.read(running), { status: 'completed' })
  t.match(await witness.read(cancelled), { status: 'cancelled', cancelReason: 'client' })
  await witness.follow(waiting).done
  t.strictSame(await witness.verify(), [])
})

/** The text of a stream up to its first event, after which the client leaves. */
async function firstEvent(url: string): Promise<string> {
  const sent = request(url, { agent: false }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk
    if (text.includes('data:')) break
  }
  return text
}

t.test('the last final event ends the process, whatever connections are open', async (t) => {
  const { gate, openGate, start, witness } = setUp(t)
  const server = await start()
  const { hostname, port } = new URL(server.url)
  const taskId = await witness.start({ type: 'gated', input: { gate } }, 'task')
  const stream = witness.follow(taskId)
  await stream.seen(({ type }) => type === 'task_started')
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const [idle] = (await once(request(`${server.url}/healthz`, { agent }).end(), 'response')) as [
    IncomingMessage
  ]
  idle.resume()
  // Its headers came before the drain, so its answer, during it, says nothing of closing the connection.
  const half = connect(Number(port), hostname)
  t.teardown(() => {
    half.destroy()
  })
  await once(half, 'connect')
  half.write(
    'POST /api/tasks HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{'
  )
  t.equal((await ask(`${server.url}/healthz`)).text, 'alive') // the server has read by now what came before

  server.child.kill('SIGTERM')
  await drains(server)
  half.write('}')
  const [answer] = await once(half, 'data')
  t.match(String(answer), /400 Bad Request.*keep-alive/is)
  await openGate()

  t.equal(await exitCode(server), 0)
  const messages = server.lines.map(({ msg }) => msg)
  t.ok(messages.indexOf('task ended') < messages.indexOf('drained'), 'the task ended, then the process left')
  t.match(await stream.seen(({ type }) => type === 'task_completed'), { json: /through/ })
})

t.test('tasks that ignore everything delay the exit by CANCEL_GRACE and no more', async (t) => {
  const { start, witness } = setUp(t, { GRACEFUL_SHUTDOWN_TIMEOUT: '1', CANCEL_GRACE: '1' })
  const server = await start()
  const taskIds = [
    await witness.start({ type: 'spin', input: {} }, 'spin'),
    await witness.start({ type: 'deaf', input: {} }, 'deaf')
  ]
  const streams = taskIds.map((taskId) => witness.follow(taskId))
  for (const stream of streams) await stream.seen(({ type }) => type === 'task_started')

  server.child.kill('SIGTERM')
  t.equal(await exitCode(server), 0)

  const drained = await server.logged(({ msg }) => msg === 'drained')
  t.match(drained, { outcome: 'forced', reason: 'SIGTERM' })
  t.ok(Number(drained.seconds) >= 2, 'it waited for the deadline and the grace')
  await start()
  for (const stream of streams) {
    t.match(await stream.seen(({ type }) => type === 'task_cancelled'), { json: /"reason":"shutdown"/ })
  }
  for (const taskId of taskIds)
    t.match(await witness.read(taskId), { status: 'cancelled', cancelReason: 'shutdown' })
  t.strictSame(await witness.verify(), [])
})

t.test('a requeue task that ten processes begin and hand on does every step once', async (t) => {
  const { dir, start, witness } = setUp(t, { GRACEFUL_SHUTDOWN_TIMEOUT: '0' })
  const notes = join(dir, 'notes')
  // Far more than ten processes get through before they get SIGTERM.
  const steps = 400
  let server = await start()
  const taskId = await witness.start({ type: 'stepper', input: { notes, steps } }, 'task')
  const stream = witness.follow(taskId)
  for (let process = 1; process <= 10; process++) {
    const begun = await stream.seen(
      ({ type, json }) => type === 'task_started' && JSON.parse(json).data.attempt === process
    )
    await stream.seen(({ type, id }) => type === 'progress_update' && Number(id) > Number(begun.id))
    server.child.kill('SIGTERM')
    t.equal(await exitCode(server), 0)
    server = await start()
  }

  t.equal(await stream.done, 'ended')
  t.match(await witness.read(taskId), { status: 'completed', attempt: 11, result: steps })
  t.strictSame(
    (await readFile(notes, 'utf8')).trim().split(' ').map(Number),
    Array.from({ length: steps }, (_, n) => n + 1)
  )
  t.strictSame(await witness.verify(), [])
})

t.test('a task that is requeued too often fails, and says why', async (t) => {
  const { dir, start, witness } = setUp(t, { GRACEFUL_SHUTDOWN_TIMEOUT: '0' })
  await writeFile(join(dir, 'types', 'limited.mjs'), taskFile('stepper', 'maxRequeues: 1', 'limited'))
  const input = { notes: join(dir, 'notes'), steps: 10_000 }
  const first = await start()
  const taskId = await witness.start({ type: 'limited', input }, 'task')
  const stream = witness.follow(taskId)
  await stream.seen(({ type }) => type === 'progress_update')
  first.child.kill('SIGTERM')
  await first.exited
  const second = await start()
  await stream.seen(({ type, json }) => type === 'task_started' && JSON.parse(json).data.attempt === 2)
  second.child.kill('SIGTERM')
  await second.exited
  await start()

  t.equal(await stream.done, 'ended')
  t.match(await witness.read(taskId), { status: 'failed', error: { code: 'TASK_REQUEUE_LIMIT' } })
})

t.test(
  'a stream of a task that stays pending ends without a final event, and goes on with the next process',
  async (t) => {
    const { gate, openGate, start, witness } = setUp(t, { MAX_WORKERS: '1' })
    const server = await start()
    await witness.start({ type: 'gated', input: { gate } }, 'running')
    const pending = await witness.start({ type: 'quick', input: { n: 7 } }, 'pending')
    const stream = witness.follow(pending)
    while (stream.connections === 0) await sleep(10) // an open stream of a pending task says nothing
    server.child.kill('SIGTERM')
    await drains(server)
    await openGate()

    t.equal(await exitCode(server), 0)
    t.strictSame(stream.events, [])
    await start()
    t.equal(await stream.done, 'ended')
    t.match(await witness.read(pending), { status: 'completed', attempt: 1 })
  }
)

t.test('DRAIN_PENDING=run leaves when the queue is empty', async (t) => {
  for (const store of [{}, { TASK_STORE_URL: 'sqlite::memory:', DRAIN_PENDING: 'keep' }]) {
    const { gate, openGate, start, witness } = setUp(t, { MAX_WORKERS: '1', DRAIN_PENDING: 'run', ...store })
    const server = await start()
    await witness.start({ type: 'gated', input: { gate } }, 'running')
    const pending = []
    for (let n = 0; n < 10; n++)
      pending.push(await witness.start({ type: 'quick', input: { n } }, `pending-${n}`))
    const streams = pending.map((taskId) => witness.follow(taskId))
    while (streams.some(({ connections }) => connections === 0)) await sleep(10)

    server.child.kill('SIGTERM')
    await drains(server)
    await openGate()

    t.equal(await exitCode(server), 0)
    for (const stream of streams) t.match(stream.events.at(-1), { type: 'task_completed' })
  }
})

t.test('during SHUTDOWN_DELAY new tasks are still taken and run', async (t) => {
  const { start, witness, client } = setUp(t, { SHUTDOWN_DELAY: '2' })
  const server = await start()
  server.child.kill('SIGTERM')
  await server.logged(({ msg }) => msg.startsWith('shutdown requested; still serving'))

  t.strictSame(await ask(`${server.url}/readyz`).then(({ status, text }) => [status, text]), [
    503,
    'draining'
  ])
  const taskId = await witness.start({ type: 'quick', input: { n: 1 } }, 'late')
  await witness.follow(taskId).seen(({ type }) => type === 'task_completed')
  t.match((await client.get(taskId)).body, { status: 'completed' })

  t.equal(await exitCode(server), 0)
})

t.test('the last numbers are scraped: once with SCRAPE_LINGER, and again by the next process', async (t) => {
  const { start } = setUp(t, { SCRAPE_LINGER: '60' })
  const server = await start()
  server.child.kill('SIGTERM')
  await server.logged(({ msg }) => msg === 'waiting for one more scrape of the metrics')

  const shutdowns = /task_graceful_shutdown_duration_seconds_count\{reason="SIGTERM",outcome="clean"\} 1/
  t.match((await ask(`${server.url}/metrics`)).text, shutdowns)
  t.equal(await exitCode(server), 0)

  const next = await start()
  t.match((await ask(`${next.url}/metrics`)).text, shutdowns)
  next.child.kill('SIGKILL')
  await next.exited
  const last = await start()
  t.notMatch((await ask(`${last.url}/metrics`)).text, shutdowns, 'it is reported once')
})

t.test('a second signal ends the process at once', async (t) => {
  for (const [first, second] of [
    ['SIGTERM', 'SIGTERM'],
    ['SIGINT', 'SIGTERM']
  ] as const) {
    const { gate, start, witness } = setUp(t)
    const server = await start()
    const taskId = await witness.start({ type: 'gated', input: { gate } }, 'task')
    await witness.follow(taskId).seen(({ type }) => type === 'task_started')
    server.child.kill(first)
    await drains(server)
    server.child.kill(second)

    t.equal(await exitCode(server), 1)
    await start()
    t.match(await witness.read(taskId), { status: 'failed', error: { code: 'TASK_INTERRUPTED' } })
  }
})

t.test('SIGINT is a way out like SIGTERM', async (t) => {
  const { start } = setUp(t)
  const server = await start()
  server.child.kill('SIGINT')

  t.equal(await exitCode(server), 0)
  t.match(await server.logged(({ msg }) => msg === 'drained'), { reason: 'SIGINT', outcome: 'clean' })
})

t.test('a client that never reads its stream does not hold the process', async (t) => {
  const { gate, openGate, start, witness } = setUp(t)
  const server = await start()
  const { hostname, port } = new URL(server.url)
  const taskId = await witness.start({ type: 'gated', input: { gate } }, 'task')
  const stuck = connect(Number(port), hostname)
  t.teardown(() => {
    stuck.destroy()
  })
  await once(stuck, 'connect')
  stuck.pause()
  stuck.write(`GET /api/tasks/${taskId}/stream HTTP/1.1\r\nHost: test\r\n\r\n`)
  await witness.follow(taskId).seen(({ type }) => type === 'task_started')

  server.child.kill('SIGTERM')
  await drains(server)
  await openGate()

  t.equal(await exitCode(server), 0)
})
