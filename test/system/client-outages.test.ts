import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { type FollowedEvent, LastcallClient } from '../../client/src/client.ts'
import { startFaultProxy } from '../fault-proxy.ts'
import { freePort, needsRedis } from '../redis.ts'
import { taskFiles } from '../task-files.ts'
import { needsNginx, startNginx } from './nginx.ts'
import { setUpPods } from './pods.ts'
import { setUpService } from './service.ts'

t.setTimeout(120_000)

const taskTypes = taskFiles('stepper')

/** Follows a task in the background; `seen` resolves with the first event that passes. */
function watch(events: AsyncIterable<FollowedEvent>) {
  const all: FollowedEvent[] = []
  const waiting: (() => void)[] = []
  const done = (async () => {
    for await (const event of events) {
      all.push(event)
      for (const wake of waiting.splice(0)) wake()
    }
    return all
  })()
  const seen = async (passes: (event: FollowedEvent) => boolean): Promise<void> => {
    while (!all.some(passes))
      await Promise.race([new Promise<void>((resolve) => waiting.push(resolve)), done])
  }
  return { all, seen, done }
}

const halfway = (event: FollowedEvent) => event.type === 'progress_update' && event.data.value >= 0.3
const names = (events: FollowedEvent[]) => events.map(({ type }) => type)
const steps = (events: FollowedEvent[]) =>
  events.flatMap((event) =>
    event.type === 'progress_update' && event.data.text ? [Number(event.data.text)] : []
  )
const counted = (events: FollowedEvent[]) => Array.from(events, (_, index) => String(index + 1))

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  t.test(`a task is followed, waited for and started through ${signal} and a restart`, async (t) => {
    const service = setUpService(t, taskTypes, {
      PORT: String(await freePort()),
      GRACEFUL_SHUTDOWN_TIMEOUT: '0',
      API_TOKENS: 'old-token'
    })
    const server = await service.start()
    // The next process knows other tokens, as after a rotation.
    const tokens = ['old-token', 'new-token']
    const client = new LastcallClient({ baseUrl: server.url, token: () => String(tokens.shift()) })
    const { taskId } = await client.start({ type: 'stepper', input: { steps: 40, stepMs: 60 } })
    const followed = watch(client.follow(taskId))
    const waited = client.wait(taskId)
    await followed.seen(halfway)

    server.child.kill(signal)
    await server.exited
    const startedMeanwhile = client.start({ type: 'stepper', input: { steps: 1 } })
    await service.start({ API_TOKENS: 'new-token' })

    const events = await followed.done
    t.strictSame(
      events.map(({ id }) => id),
      counted(events),
      'every event once, in order'
    )
    t.equal(names(events).at(-1), 'task_completed')
    t.equal(names(events).filter((name) => name === 'task_started').length, 2)
    t.match(events.find(({ type }) => type === 'task_requeued')?.data, {
      reason: signal === 'SIGTERM' ? 'shutdown' : 'lost'
    })
    t.match(await waited, { status: 'completed', result: 40 })
    t.match(await client.wait((await startedMeanwhile).taskId), { status: 'completed' })
    t.strictSame(tokens, [], 'the new token was asked for once')
  })
}

t.test('a ticket that has expired before the stream broke is renewed', async (t) => {
  const service = setUpService(t, taskTypes, {
    PORT: String(await freePort()),
    GRACEFUL_SHUTDOWN_TIMEOUT: '0',
    API_TOKENS: 'token',
    TICKET_TTL: '1'
  })
  const server = await service.start()
  const backend = new LastcallClient({ baseUrl: server.url, token: 'token' })
  const { taskId } = await backend.start({ type: 'stepper', input: { steps: 50, stepMs: 60 } })
  let tickets = 0
  const streamUrl = async () => {
    tickets++
    const url = `${server.url}/api/tasks/${taskId}/stream-ticket`
    const answer = await fetch(url, { method: 'POST', headers: { authorization: 'Bearer token' } })
    return ((await answer.json()) as { streamUrl: string }).streamUrl
  }
  const page = new LastcallClient({ baseUrl: server.url })
  const followed = watch(page.follow(taskId, { streamUrl }))
  // 1.5 s of steps: the ticket is old by then, and the stream still open.
  await followed.seen((event) => event.type === 'progress_update' && event.data.value >= 0.5)
  t.equal(tickets, 1)

  server.child.kill('SIGTERM')
  await server.exited
  await service.start()

  const events = await followed.done
  t.equal(names(events).at(-1), 'task_completed')
  t.strictSame(
    events.map(({ id }) => id),
    counted(events)
  )
  t.equal(tickets, 2)
})

t.test('a start whose answer is lost is repeated, and makes one task', async (t) => {
  const server = await setUpService(t, taskTypes).start()
  const proxy = await startFaultProxy(t, Number(new URL(server.url).port))
  const client = new LastcallClient({ baseUrl: `http://127.0.0.1:${proxy.port}` })
  // Opens the connection that the next request takes.
  await client.startMany([{ type: 'stepper', input: { steps: 1 } }])

  proxy.strikeAll('loseAnswer')
  const { taskId } = await client.start({ type: 'stepper', input: { steps: 1 }, labels: { order: '1' } })
  await client.wait(taskId)
  proxy.strikeAll('loseAnswer')
  const [many] = await client.startMany([{ type: 'stepper', input: { steps: 1 }, labels: { order: '2' } }])
  proxy.strikeAll('loseAnswer')
  const again = await client.retry(taskId)

  for (const [order, expected] of [
    ['1', [again.taskId, taskId]],
    ['2', [many?.taskId]]
  ] as const) {
    const listed: string[] = []
    for await (const task of client.list({ label: [`order:${order}`] })) listed.push(task.taskId)
    t.strictSame(listed, expected)
  }
  proxy.strikeAll('loseAnswer')
  const later = await client.start({ type: 'stepper', input: { steps: 1 }, delaySeconds: 60 })
  proxy.strikeAll('loseAnswer')
  t.match(await client.cancel(later.taskId), { status: 'cancelled', cancelReason: 'client' })
})

t.test('a stream that breaks is taken up again, and so is one that falls silent', async (t) => {
  const server = await setUpService(t, taskTypes, { SSE_HEARTBEAT: '1' }).start()
  const proxy = await startFaultProxy(t, Number(new URL(server.url).port))
  const client = new LastcallClient({ baseUrl: `http://127.0.0.1:${proxy.port}`, timeoutSeconds: 2 })
  const { taskId } = await client.start({ type: 'stepper', input: { steps: 50, stepMs: 60 } })
  const followed = watch(client.follow(taskId))

  await followed.seen(halfway)
  proxy.strikeAll('reset')
  await followed.seen((event) => event.type === 'progress_update' && event.data.value >= 0.7)
  proxy.strikeAll('halfOpen')

  const events = await followed.done
  t.strictSame(
    events.map(({ id }) => id),
    counted(events)
  )
  t.strictSame(
    steps(events),
    steps(events).toSorted((a, b) => a - b)
  )
  t.equal(names(events).at(-1), 'task_completed')
})

t.test(
  'a task is followed through a rollout of pods behind nginx',
  { skip: needsRedis() || needsNginx() },
  async (t) => {
    const { dir, start } = await setUpPods(t, taskTypes, { GRACEFUL_SHUTDOWN_TIMEOUT: '0' })
    await mkdir(join(dir, 'nginx'))
    const nginx = await startNginx(t, join(dir, 'nginx'))
    const [first, second] = [await start(), await start()]
    await nginx.point([first.url])
    const client = new LastcallClient({ baseUrl: nginx.url })
    const { taskId } = await client.start({ type: 'stepper', input: { steps: 50, stepMs: 60 } })
    const followed = watch(client.follow(taskId))
    await followed.seen(halfway)

    await nginx.point([second.url])
    first.child.kill('SIGTERM')
    await first.exited

    const events = await followed.done
    t.equal(new Set(events.map(({ id }) => id)).size, events.length, 'every event once')
    t.strictSame(
      steps(events),
      steps(events).toSorted((a, b) => a - b)
    )
    t.equal(names(events).at(-1), 'task_completed')
    t.match(await client.get(taskId), { status: 'completed', result: 50 })
  }
)
