import t from 'tap'
import { LastcallClient, LastcallError } from '../../client/src/client.ts'
import { heldTask, inlineType, startApp, urlOf } from '../helper.ts'

const echo = inlineType({ type: 'echo', run: (input) => input })
const broken = inlineType({
  type: 'broken',
  run: () => {
    throw Object.assign(new Error('no such part'), { code: 'PART_UNKNOWN' })
  }
})

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

t.test('a task is started, waited for and read', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const client = new LastcallClient({ baseUrl: `${urlOf(app)}/` })

  const { taskId, type, status } = await client.start({ type: 'echo', input: 17, labels: { order: '4711' } })

  t.strictSame([type, status], ['echo', 'pending'])
  t.match(await client.wait(taskId), { status: 'completed', result: 17, labels: { order: '4711' } })
  t.match(await client.get(taskId, { input: true }), { taskId, input: 17 })
})

t.test('the same key starts one task, a call without one another each time', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const client = new LastcallClient({ baseUrl: urlOf(app) })
  const start = async (options = {}) => (await client.start({ type: 'echo', input: 1 }, options)).taskId

  t.equal(await start({ idempotencyKey: 'k' }), await start({ idempotencyKey: 'k' }))
  t.not(await start(), await start())
})

t.test('many tasks are started at once and listed page by page', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const client = new LastcallClient({ baseUrl: urlOf(app) })

  const labels = { batch: 'b1', colon: 'a:b' }
  const started = await client.startMany(
    Array.from({ length: 25 }, (_, input) => ({ type: 'echo', input, labels }))
  )
  await client.start({ type: 'echo', input: 'another' })

  const listed = await collect(client.list({ label: ['batch:b1', 'colon:a:b'], type: 'echo', limit: 10 }))
  t.strictSame(
    listed.map(({ taskId }) => taskId),
    started.map(({ taskId }) => taskId).reverse()
  )
})

t.test('a running task is cancelled, and cancelling it again is no error', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type, echo] })
  const client = new LastcallClient({ baseUrl: urlOf(app) })
  const { taskId } = await client.start({ type: 'held', input: {} })
  await held.started()

  await client.cancel(taskId)
  t.match(await client.wait(taskId), { status: 'cancelled', cancelReason: 'client' })
  t.match(await client.cancel(taskId), { status: 'cancelled' })

  const completed = await client.start({ type: 'echo', input: 1 })
  await client.wait(completed.taskId)
  await t.rejects(client.cancel(completed.taskId), { code: 'TASK_ALREADY_FINISHED', status: 409 })
})

t.test('a failed task is retried as a new one', async (t) => {
  const app = await startApp(t, { types: [broken] })
  const client = new LastcallClient({ baseUrl: urlOf(app) })
  const { taskId } = await client.start({ type: 'broken', input: {} })
  t.match(await client.wait(taskId), { status: 'failed', error: { code: 'PART_UNKNOWN' } })

  const again = await client.retry(taskId, { idempotencyKey: 'again' })

  t.match(await client.wait(again.taskId), { retryOf: taskId })
  t.equal((await client.retry(taskId, { idempotencyKey: 'again' })).taskId, again.taskId)
})

t.test('a task is followed to its end, or from an event on', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const client = new LastcallClient({ baseUrl: urlOf(app) })
  const { taskId } = await client.start({ type: 'echo', input: { ü: '→\n' } })

  const events = await collect(client.follow(taskId))

  t.match(events[0], { taskId, type: 'task_started', data: { attempt: 1 } })
  t.match(events.at(-1), { type: 'task_completed', data: { ü: '→\n' } })
  const [first] = events
  t.strictSame(await collect(client.follow(taskId, { lastEventId: String(first?.id) })), events.slice(1))
  t.strictSame(await collect(client.follow(taskId, { lastEventId: String(events.at(-1)?.id) })), [])
})

t.test('whoever stops following leaves, and its stream with it', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const client = new LastcallClient({ baseUrl: urlOf(app) })
  const { taskId } = await client.start({ type: 'held', input: {} })
  const left = () =>
    new Promise<void>((resolve) => {
      const look = () => (app.streams.count === 0 ? resolve() : setImmediate(look))
      look()
    })

  for await (const { type } of client.follow(taskId)) {
    t.equal(type, 'task_started')
    t.equal(app.streams.count, 1)
    break
  }
  await left()

  const abort = new AbortController()
  const reason = new Error('enough')
  const followed = (async () => {
    for await (const _ of client.follow(taskId, { signal: abort.signal })) abort.abort(reason)
  })()
  await t.rejects(followed, reason)
  await left()
  await t.rejects(client.wait(taskId, { signal: AbortSignal.abort(reason) }), reason)
})

t.test('what the service refuses is an error with its code, without a repeat', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const client = new LastcallClient({ baseUrl: urlOf(app) })

  const error = await client.get('nobody').catch((error) => error)
  t.ok(error instanceof LastcallError)
  t.match(error, { name: 'LastcallError', code: 'TASK_NOT_FOUND', status: 404, message: /nobody/ })
  t.equal(typeof error.requestId, 'string')
  await t.rejects(client.start({ type: 'unknown', input: 1 }), { code: 'TASK_TYPE_UNKNOWN' })
  await t.rejects(collect(client.follow('nobody')), { code: 'TASK_NOT_FOUND' })
  await t.rejects(client.startMany([{ type: 'echo', input: 1, priority: 11 }]), { message: /tasks\/0/ })
})

t.test('what is not the service at that address is told apart', async (t) => {
  const app = await startApp(t)
  const docs = new LastcallClient({ baseUrl: `${urlOf(app)}/healthz?` })
  await t.rejects(docs.get('x'), { code: 'UNEXPECTED_ANSWER', status: 200 })
  await t.rejects(collect(docs.follow('x')), { code: 'UNEXPECTED_ANSWER' })

  const nobody = new LastcallClient({ baseUrl: 'http://127.0.0.1:1', patienceSeconds: 0.5 })
  await t.rejects(nobody.get('x'), { code: 'NO_ANSWER', status: 0 })
  await t.rejects(new LastcallClient({ baseUrl: 'no address' }).get('x'), { name: 'TypeError' })
})

t.test('a full queue is waited for, as long as it asks for', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type], env: { MAX_WORKERS: '1', MAX_PENDING: '1' } })
  const client = new LastcallClient({ baseUrl: urlOf(app) })
  await client.start({ type: 'held', input: 0 })
  const first = await held.started()
  await client.start({ type: 'held', input: 1 })
  const refused = new Promise<void>((resolve) => {
    const count = app.taskMetrics.rejected
    const look = async () =>
      (await count.get()).values.some(({ value }) => value > 0) ? resolve() : setImmediate(look)
    void look()
  })

  const askedAt = performance.now()
  const third = client.start({ type: 'held', input: 2 })
  await refused
  first.release()

  t.equal((await third).status, 'pending')
  t.ok(performance.now() - askedAt >= 2000, 'not sooner than Retry-After says')
  ;(await held.started(1)).release()
  ;(await held.started(2)).release()
  const impatient = new LastcallClient({ baseUrl: urlOf(app), patienceSeconds: 1 })
  app.shutdown.setDraining(true)
  await t.rejects(impatient.start({ type: 'held', input: 3 }), {
    code: 'SERVICE_DRAINING',
    retryAfterSeconds: 2
  })
})

t.test('a token is sent, and got anew when it is refused, once for all calls', async (t) => {
  const app = await startApp(t, { types: [echo], env: { API_TOKENS: 'new-token' } })
  const given: string[] = []
  const token = () => {
    given.push(given.length === 0 ? 'old-token' : 'new-token')
    return String(given.at(-1))
  }
  const client = new LastcallClient({ baseUrl: urlOf(app), token })

  const started = await Promise.all([1, 2, 3].map((input) => client.start({ type: 'echo', input })))
  for (const { taskId } of started) t.equal((await collect(client.follow(taskId))).length, 2)

  t.strictSame(given, ['old-token', 'new-token'])
  const unauthorized = 'FST_BEARER_AUTH'
  await t.rejects(new LastcallClient({ baseUrl: urlOf(app), token: 'old-token' }).get('x'), {
    code: `${unauthorized}_INVALID_AUTHORIZATION_HEADER`
  })
  await t.rejects(new LastcallClient({ baseUrl: urlOf(app) }).get('x'), {
    code: `${unauthorized}_MISSING_AUTHORIZATION_HEADER`
  })
  const failing = () => Promise.reject(new Error('the login is away'))
  await t.rejects(new LastcallClient({ baseUrl: urlOf(app), token: failing }).get('x'), /login is away/)
})

t.test('a page without a token follows with a ticket, and gets another when that has expired', async (t) => {
  const app = await startApp(t, { types: [echo], env: { API_TOKENS: 'token' } })
  const backend = new LastcallClient({ baseUrl: urlOf(app), token: 'token' })
  const page = new LastcallClient({ baseUrl: urlOf(app) })
  const { taskId, streamUrl } = await backend.start({ type: 'echo', input: 1 })

  t.equal((await collect(page.follow(taskId, { streamUrl }))).length, 2)
  // One that nobody issued is refused like one that has expired.
  const expired = streamUrl.replace(/ticket=.*/, `ticket=0.${'A'.repeat(43)}`)
  const urls = [expired, streamUrl]
  t.equal((await collect(page.follow(taskId, { streamUrl: () => String(urls.shift()) }))).length, 2)
  await t.rejects(collect(page.follow(taskId, { streamUrl: expired })), { code: 'TICKET_INVALID' })
})

t.test('text with the line separators of Unicode comes through a stream', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const client = new LastcallClient({ baseUrl: urlOf(app) })
  const input = 'one\u2028two\u2029three'
  const { taskId } = await client.start({ type: 'echo', input })

  t.match((await collect(client.follow(taskId))).at(-1), { type: 'task_completed', data: input })
})

t.test('a task is waited for however short a single request may take', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const client = new LastcallClient({ baseUrl: urlOf(app), timeoutSeconds: 1, patienceSeconds: 1.5 })
  const { taskId } = await client.start({ type: 'held', input: {} })
  const waiting = client.wait(taskId)
  const run = await held.started()
  setTimeout(() => run.release('done'), 3_000)

  t.match(await waiting, { status: 'completed', result: 'done' })
})
