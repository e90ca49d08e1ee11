import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { spawnServer } from '../helper.ts'
import { taskFile, taskFiles } from '../task-files.ts'
import { setUpService } from './service.ts'

t.setTimeout(180_000)

// Far longer than leaving ever takes, far shorter than any other budget: what it ends hangs.
const hangsAfterMs = 20_000

const taskTypes = {
  'gated.mjs': taskFile('gated', "onShutdown: 'requeue', onLost: 'requeue', maxRequeues: 1000"),
  ...taskFiles('quick')
}

const setUp = (t: Test, settings?: Record<string, string>) => setUpService(t, taskTypes, settings)

/** How the process ends; a hang is an end by SIGKILL, which is none that a test accepts. */
async function ending({ child, exited }: ReturnType<typeof spawnServer>) {
  const timer = setTimeout(() => child.kill('SIGKILL'), hangsAfterMs)
  const [code, signal] = await exited
  clearTimeout(timer)
  return code ?? signal
}

t.test('SIGTERM lets the running task finish and keeps the pending ones for the next process', async (t) => {
  const { gate, openGate, start, witness } = setUp(t, { MAX_WORKERS: '1', GRACEFUL_SHUTDOWN_TIMEOUT: '60' })
  const server = await start()
  const running = await witness.start({ type: 'gated', input: { gate } }, 'running')
  const stream = witness.follow(running)
  await stream.seen(({ type }) => type === 'task_started')
  const pending: string[] = []
  for (let n = 0; n < 20; n++)
    pending.push(await witness.start({ type: 'quick', input: { n } }, `pending-${n}`))
  const pendingStreams = pending.map((taskId) => witness.follow(taskId))

  server.child.kill('SIGTERM')
  await server.logged(({ msg }) => msg === 'draining before exit')
  await openGate()
  t.equal(await ending(server), 0)
  const ended = await stream.seen(({ type }) => type === 'task_completed')
  t.match(ended.json, /through/, 'the running task finished before the process left')

  await start()
  for (const { done } of [stream, ...pendingStreams]) t.equal(await done, 'ended')
  t.strictSame(await witness.verify(), [])
  for (const taskId of pending) t.match(await witness.read(taskId), { status: 'completed', attempt: 1 })
})

t.test('SIGTERM requeues a task that is not done in time, and the next process runs it again', async (t) => {
  const { gate, openGate, start, witness } = setUp(t, { GRACEFUL_SHUTDOWN_TIMEOUT: '0' })
  const server = await start()
  const taskId = await witness.start({ type: 'gated', input: { gate } }, 'task')
  const stream = witness.follow(taskId)
  await stream.seen(({ type }) => type === 'task_started')

  server.child.kill('SIGTERM')
  t.equal(await ending(server), 0)

  await openGate()
  await start()
  t.equal(await stream.done, 'ended')
  t.strictSame(await witness.verify(), [])
  t.match(await witness.read(taskId), { status: 'completed', attempt: 2 })
})

t.test('SIGTERM ends an idle process at once', async (t) => {
  const { start } = setUp(t, {})
  const server = await start()
  server.child.kill('SIGTERM')
  t.equal(await ending(server), 0)
})

const idleConnections = {
  'has sent nothing': '',
  'waits for its next request': 'GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n',
  'has sent half of its headers': 'POST /api/tasks HTTP/1.1\r\nHost: test\r\n',
  'has sent half of its body':
    'POST /api/tasks HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{'
}

for (const [what, text] of Object.entries(idleConnections)) {
  t.test(`SIGTERM does not wait for a connection that ${what}`, async (t) => {
    const server = await setUp(t, {}).start()
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname).on('error', () => {})
    t.teardown(() => {
      socket.destroy()
    })
    await once(socket, 'connect')
    await new Promise<void>((resolve) => socket.write(text, () => resolve()))
    // An answer on another connection: the server has read by now what came before.
    const answer = await fetch(`${server.url}/healthz`)
    t.equal(await answer.text(), 'alive')

    server.child.kill('SIGTERM')
    t.equal(await ending(server), 0)
  })
}

t.test('SIGTERM at any moment of the start neither loses a task nor hangs', async (t) => {
  const { env, gate, openGate, start, witness } = setUp(t, { GRACEFUL_SHUTDOWN_TIMEOUT: '0' })
  const first = await start()
  const taskIds: string[] = []
  for (let n = 0; n < 20; n++)
    taskIds.push(await witness.start({ type: 'gated', input: { gate } }, `task-${n}`))
  const streams = taskIds.map((taskId) => witness.follow(taskId))
  first.child.kill('SIGTERM')
  t.equal(await ending(first), 0)

  for (let delayMs = 0; delayMs <= 1000; delayMs += 50) {
    const server = spawnServer(t, env)
    await sleep(delayMs)
    server.child.kill('SIGTERM')
    // Before the program's first line has run, the signal itself ends the process.
    const how = await ending(server)
    t.ok(how === 0 || how === 'SIGTERM', `after ${delayMs} ms: ${how}`)
  }

  await openGate()
  await start()
  for (const { done } of streams) t.equal(await done, 'ended')
  t.strictSame(await witness.verify(), [])
  for (const taskId of taskIds) t.match(await witness.read(taskId), { status: 'completed' })
})
