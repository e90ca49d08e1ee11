import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { cancel, echo, start, unknownId } from '../api.ts'
import { collectType, heldTask, inlineType, startApp, startServer, urlOf } from '../helper.ts'

// Threads and processes start slowly on a busy machine.
t.setTimeout(180_000)

/** One block of a stream: an event, a `retry:` or a comment. */
interface Block {
  id?: string
  event?: string
  data?: string
  retry?: string
  comment?: string
}

/** Parses what a server sends, field by field, as the blocks arrive. */
async function* blocksOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Block, void> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const block: Record<string, string> = {}
      for (const line of lines) {
        const [, name = '', value = ''] = /^([^:]*): ?(.*)$/s.exec(line) ?? []
        block[name || 'comment'] = value
      }
      yield block
    }
  }
}

/** A client of a task's stream that reads when it is told to, and leaves when the test ends. */
async function follow(t: Test, url: string, taskId: string, lastEventId?: string) {
  const leaving = new AbortController()
  t.teardown(() => leaving.abort())
  const response = await fetch(`${url}/api/tasks/${taskId}/stream`, {
    signal: leaving.signal,
    headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
  })
  const blocks = response.body ? blocksOf(response.body) : undefined
  const next = async () => (await blocks?.next())?.value ?? undefined
  const nextEvent = async () => {
    for (;;) {
      const block = await next()
      if (block === undefined || block.event !== undefined) return block
    }
  }
  const rest = async () => {
    const events: Block[] = []
    for (let event = await nextEvent(); event; event = await nextEvent()) events.push(event)
    return events
  }
  return { response, next, nextEvent, rest, leave: () => leaving.abort() }
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
}

const memory = async (url: string) =>
  (await metric(url, 'nodejs_heap_size_used_bytes')) + (await metric(url, 'nodejs_external_memory_bytes'))

/** Asks again until the gauge has that value; the test's own time limit ends it. */
async function metricIs(url: string, name: string, value: number): Promise<void> {
  while ((await metric(url, name)) !== value);
}

/** A finished task with five events: started, three times progress, completed. */
async function finishedTask(t: Test) {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const taskId = await start(app, { type: 'held', input: {} })
  const live = await follow(t, urlOf(app), taskId)
  const run = await held.started()
  await live.nextEvent()
  for (const value of [0.2, 0.4, 0.6]) {
    run.ctx.progress(value, `at ${value}`)
    await live.nextEvent()
  }
  run.release({ done: true })
  await live.rest()
  return { app, url: urlOf(app), taskId }
}

t.test('a stream answers with the headers of an event stream and first a retry line', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const taskId = await start(app, { type: 'held', input: {} })

  const { response, next } = await follow(t, urlOf(app), taskId)

  t.equal(response.status, 200)
  t.match(response.headers.get('content-type'), /^text\/event-stream\b/)
  t.match(response.headers.get('cache-control'), /no-cache/)
  t.equal(response.headers.get('x-accel-buffering'), 'no')
  const first = await next()
  t.same(Object.keys(first ?? {}), ['retry'])
  const retry = Number(first?.retry)
  t.ok(retry >= 1000 && retry <= 3000 && Number.isInteger(retry), `retry is ${retry}`)
})

t.test('each stream draws its own retry time', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const taskId = await start(app, { type: 'echo', input: 1 })

  const retries = new Set<string>()
  for (let n = 0; n < 20; n++) {
    const { body } = await app.inject(`/api/tasks/${taskId}/stream`)
    retries.add(body.slice(0, body.indexOf('\n')))
  }

  t.ok(retries.size > 5, [...retries].join(' '))
  for (const retry of retries) t.match(retry, /^retry: ?[12]\d{3}$/)
})

t.test('events are numbered from 1 and carry task, type, time and data', async (t) => {
  const { url, taskId } = await finishedTask(t)

  const { rest } = await follow(t, url, taskId)
  const events = await rest()

  t.same(
    events.map(({ id }) => id),
    ['1', '2', '3', '4', '5']
  )
  t.same(
    events.map(({ event }) => event),
    ['task_started', 'progress_update', 'progress_update', 'progress_update', 'task_completed']
  )
  const data = events.map((event) => JSON.parse(event.data ?? ''))
  for (const [n, message] of data.entries()) {
    t.same(Object.keys(message), ['taskId', 'type', 'timestamp', 'data'])
    t.equal(message.taskId, taskId)
    t.equal(message.type, events[n]?.event)
    t.match(message.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  }
  t.same(
    data.map((message) => message.data),
    [
      { attempt: 1 },
      { value: 0.2, text: 'at 0.2' },
      { value: 0.4, text: 'at 0.4' },
      { value: 0.6, text: 'at 0.6' },
      { done: true }
    ]
  )
})

t.test('a stream replays what was and then follows live', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const taskId = await start(app, { type: 'held', input: {} })
  const run = await held.started()
  run.ctx.progress(0.5, 'before')

  const { nextEvent } = await follow(t, urlOf(app), taskId)
  t.equal((await nextEvent())?.event, 'task_started')
  t.match((await nextEvent())?.data, /"before"/)
  run.ctx.progress(0.7, 'live')
  t.match((await nextEvent())?.data, /"live"/)
  run.release('result')
  t.match(await nextEvent(), { id: '4', event: 'task_completed', data: /"data":"result"}$/ })
  t.equal(await nextEvent(), undefined, 'and then it ends')
})

t.test('a stream of a pending task waits for its start', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1' }, types: [held.type, echo] })
  await start(app, { type: 'held', input: {} })
  const run = await held.started()
  const taskId = await start(app, { type: 'echo', input: 'x' })

  const { next, rest } = await follow(t, urlOf(app), taskId)
  t.match(await next(), { retry: /^\d+$/ })
  run.release()

  t.same(
    (await rest()).map(({ id, event }) => [id, event]),
    [
      ['1', 'task_started'],
      ['2', 'task_completed']
    ]
  )
})

t.test('a failed task ends its stream with the code and the message, no stack', async (t) => {
  const failing = inlineType({
    type: 'failing',
    run: () => {
      throw Object.assign(new Error('no such part'), { code: 'PART_UNKNOWN' })
    }
  })
  const app = await startApp(t, { types: [failing] })
  const taskId = await start(app, { type: 'failing', input: {} })

  const { rest } = await follow(t, urlOf(app), taskId)
  const last = (await rest()).at(-1)

  t.equal(last?.event, 'task_failed')
  t.same(JSON.parse(last?.data ?? '').data, { code: 'PART_UNKNOWN', message: 'no such part' })
})

t.test('a cancelled running task ends its stream with the reason', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const taskId = await start(app, { type: 'held', input: {} })
  const { rest } = await follow(t, urlOf(app), taskId)
  await held.started()

  await cancel(app, taskId)

  const events = await rest()
  t.same(
    events.map(({ event }) => event),
    ['task_started', 'task_cancelled']
  )
  t.same(JSON.parse(events[1]?.data ?? '').data, { reason: 'client' })
})

t.test('a cancelled pending task ends its stream at once', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1' }, types: [held.type] })
  await start(app, { type: 'held', input: {} })
  await held.started()
  const taskId = await start(app, { type: 'held', input: {} })
  const live = await follow(t, urlOf(app), taskId)
  await live.next()

  await cancel(app, taskId)

  const late = await follow(t, urlOf(app), taskId)
  for (const { rest } of [live, late]) {
    const events = await rest()
    t.same(
      events.map(({ id, event }) => [id, event]),
      [['1', 'task_cancelled']]
    )
    t.same(JSON.parse(events[0]?.data ?? '').data, { reason: 'client' })
  }
})

t.test('a task that is tried again says so on its stream', async (t) => {
  const stubborn = inlineType({
    type: 'stubborn',
    attempts: 3,
    run: (_input, ctx) => {
      if (ctx.attempt < 3) throw new Error('not yet')
      return ctx.attempt
    }
  })
  const app = await startApp(t, { types: [stubborn] })
  const taskId = await start(app, { type: 'stubborn', input: {} })

  const { rest } = await follow(t, urlOf(app), taskId)
  const events = await rest()

  t.same(
    events.map(({ event, data }) => [event, JSON.parse(data ?? '').data]),
    [
      ['task_started', { attempt: 1 }],
      ['task_requeued', { reason: 'retry', error: { code: 'TASK_FAILED', message: 'not yet' } }],
      ['task_started', { attempt: 2 }],
      ['task_requeued', { reason: 'retry', error: { code: 'TASK_FAILED', message: 'not yet' } }],
      ['task_started', { attempt: 3 }],
      ['task_completed', 3]
    ]
  )
})

t.test('a stream resumes after its Last-Event-ID', async (t) => {
  const { url, taskId } = await finishedTask(t)

  for (let seen = 1; seen < 5; seen++) {
    const { rest } = await follow(t, url, taskId, String(seen))
    t.same(
      (await rest()).map(({ id }) => Number(id)),
      [1, 2, 3, 4, 5].slice(seen),
      `after ${seen}`
    )
  }
})

t.test('a client that reconnects after every event sees each one once', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const taskId = await start(app, { type: 'held', input: {} })
  const run = await held.started()
  const seen: Block[] = []
  let lastEventId: string | undefined

  for (let n = 0; n <= 10; n++) {
    const { nextEvent, leave } = await follow(t, urlOf(app), taskId, lastEventId)
    if (n > 0) run.ctx.progress(n / 10, `step ${n}`)
    const event = await nextEvent()
    if (event) seen.push(event)
    lastEventId = event?.id
    leave()
  }
  run.release()
  const { rest } = await follow(t, urlOf(app), taskId, lastEventId)
  seen.push(...(await rest()))

  t.same(
    seen.map(({ id }) => Number(id)),
    Array.from({ length: 12 }, (_, n) => n + 1)
  )
  t.equal(seen.at(-1)?.event, 'task_completed')
})

t.test('a Last-Event-ID that the task never had replays everything', async (t) => {
  const { url, taskId } = await finishedTask(t)

  const ids = [
    'garbage',
    '-1',
    '0',
    '6',
    '999999999',
    '9'.repeat(400),
    '1.5',
    '0x1',
    '1e0',
    'NaN',
    '{}',
    '1,2',
    ''
  ]
  for (const id of ids) {
    const { response, rest } = await follow(t, url, taskId, id)
    t.equal(response.status, 200)
    t.equal((await rest()).length, 5, `after ${id.slice(0, 20)}`)
  }
})

t.test('a reconnect that has seen the final event gets 204', async (t) => {
  const { url, taskId } = await finishedTask(t)

  const { response } = await follow(t, url, taskId, '5')

  t.equal(response.status, 204)
  t.equal(await response.text(), '')
})

t.test('a stream survives a restart: the reconnect goes on where it was', async (t) => {
  const env = { TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db`, MAX_WORKERS: '1' }
  const held = heldTask()
  const requeued = heldTask({ type: 'requeued', onShutdown: 'requeue' })
  const before = await startApp(t, { env, types: [held.type, requeued.type] })
  const running = await start(before, { type: 'requeued', input: {} })
  await requeued.started()
  const pending = await start(before, { type: 'held', input: {} })
  const streamOfRunning = await follow(t, urlOf(before), running)
  const streamOfPending = await follow(t, urlOf(before), pending)
  t.equal((await streamOfRunning.nextEvent())?.id, '1')
  await streamOfPending.next()

  await before.close()

  const seen = await streamOfRunning.rest()
  t.same(await streamOfPending.rest(), [], 'it ended without a final event')
  t.ok(
    seen.every(({ event }) => event === 'task_requeued'),
    'no final event for a task that lives on'
  )
  const [first, second] = [heldTask({ type: 'requeued', onShutdown: 'requeue' }), heldTask()]
  const after = await startApp(t, { env, types: [first.type, second.type] })
  const resumed = await follow(t, urlOf(after), running, seen.at(-1)?.id ?? '1')
  const run = await first.started()
  run.release('done')
  seen.push(...(await resumed.rest()))
  t.same(
    seen.map(({ id, event, data }) => [id, event, JSON.parse(data ?? '').data]),
    [
      ['2', 'task_requeued', { reason: 'shutdown' }],
      ['3', 'task_started', { attempt: 2 }],
      ['4', 'task_completed', 'done']
    ]
  )
})

t.test('all subscribers of a task see the same', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const taskId = await start(app, { type: 'held', input: {} })
  const run = await held.started()
  const early = await Promise.all(Array.from({ length: 5 }, () => follow(t, urlOf(app), taskId)))
  await Promise.all(early.map(({ nextEvent }) => nextEvent()))
  run.ctx.progress(0.1, 'one')
  await Promise.all(early.map(({ nextEvent }) => nextEvent()))
  const late = await follow(t, urlOf(app), taskId)
  run.ctx.progress(0.9, 'two')
  run.release('done')

  const all = await Promise.all(early.map(({ rest }) => rest()))
  const everything = await late.rest()

  t.equal(everything.length, 4)
  for (const events of all) t.same(events, everything.slice(2))
})

t.test('a stream of a task that is not there is 404, in JSON', async (t) => {
  const app = await startApp(t)

  for (const lastEventId of [undefined, '1', 'garbage']) {
    const { response } = await follow(t, urlOf(app), unknownId, lastEventId)
    t.equal(response.status, 404)
    t.match(response.headers.get('content-type'), /^application\/json/)
    t.match(await response.json(), { statusCode: 404, code: 'TASK_NOT_FOUND', error: 'Not Found' })
  }
})

t.test('a stream ends when its task is deleted', async (t) => {
  const { app, url, taskId } = await finishedTask(t)
  const response = await app.inject({ method: 'DELETE', url: `/api/tasks/${taskId}` })
  t.equal(response.statusCode, 204)

  const { response: gone } = await follow(t, url, taskId, '3')

  t.equal(gone.status, 404)
})

t.test('a client that leaves is forgotten', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const url = urlOf(app)
  const taskId = await start(app, { type: 'held', input: {} })
  const run = await held.started()
  const streams = await Promise.all(Array.from({ length: 10 }, () => follow(t, url, taskId)))
  await Promise.all(streams.map(({ nextEvent }) => nextEvent()))
  t.equal(await metric(url, 'task_sse_streams'), 10)

  for (const { leave } of streams.slice(0, 9)) leave()

  await metricIs(url, 'task_sse_streams', 1)
  run.ctx.progress(0.5, 'still here')
  t.match((await streams[9]?.nextEvent())?.data, /still here/)
  streams[9]?.leave()
  await metricIs(url, 'task_sse_streams', 0)
})

t.test('streams that ended are not counted any more, nor those that never began', async (t) => {
  const { url, taskId } = await finishedTask(t)

  for (const id of [undefined, '2', '5', 'garbage']) {
    const { rest } = await follow(t, url, taskId, id)
    await rest()
  }
  await (await follow(t, url, unknownId)).rest()

  await metricIs(url, 'task_sse_streams', 0)
})

t.test('a quiet stream gets heartbeats, which are comments', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { SSE_HEARTBEAT: '0.05' }, types: [held.type] })
  const taskId = await start(app, { type: 'held', input: {} })
  const { next, rest } = await follow(t, urlOf(app), taskId)
  const run = await held.started()
  await next()
  await next()

  for (let n = 0; n < 5; n++) t.same(Object.keys((await next()) ?? {}), ['comment'])

  run.release()
  t.match(await rest(), [{ id: '2', event: 'task_completed' }])
})

t.test('a stream can be followed while the service drains', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const taskId = await start(app, { type: 'held', input: {} })
  const run = await held.started()
  app.shutdown.setDraining(true)

  const { response, rest } = await follow(t, urlOf(app), taskId)
  run.release()

  t.equal(response.status, 200)
  t.same(
    (await rest()).map(({ event }) => event),
    ['task_started', 'task_completed']
  )
})

t.test('when the process shuts down, streams of tasks that finish in time see their end', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { GRACEFUL_SHUTDOWN_TIMEOUT: '60' }, types: [held.type] })
  const taskId = await start(app, { type: 'held', input: {} })
  const run = await held.started()
  const { nextEvent, rest } = await follow(t, urlOf(app), taskId)
  await nextEvent()
  const closed = app.close()

  run.ctx.progress(1, 'last call')
  run.release('in time')

  t.same(
    (await rest()).map(({ event, data }) => [event, JSON.parse(data ?? '').data]),
    [
      ['progress_update', { value: 1, text: 'last call' }],
      ['task_completed', 'in time']
    ]
  )
  await closed
})

t.test('readers that never read cost no memory of consequence, and hold nobody up', async (t) => {
  // State changes are never dropped, so a task that is tried again and again has a long history: here some 9 MB.
  const attempts = 3_000
  const tasksDir = t.testdir({
    'restless.mjs': `
      export default {
        type: 'restless', description: 'Fails often.', input: {}, isolation: 'inline', attempts: ${attempts},
        run (_input, ctx) {
          if (ctx.attempt < ${attempts}) throw new Error('again '.repeat(500))
          return 'done'
        }
      }`,
    'collect.mjs': collectType
  })
  const server = await startServer(t, {
    TASK_STORE_URL: 'sqlite::memory:',
    TASKS_DIR: tasksDir,
    LOG_LEVEL: 'info',
    GRACEFUL_SHUTDOWN_TIMEOUT: '0'
  })
  const { url } = server
  const { hostname, port } = new URL(url)
  const post = async (type: string) => {
    const response = await fetch(`${url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type, input: {} })
    })
    const { taskId } = (await response.json()) as { taskId: string }
    return taskId
  }
  const collect = async () => void (await (await follow(t, url, await post('collect'))).rest())
  await collect()
  const before = await memory(url)
  const taskId = await post('restless')

  const stuck = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const socket = connect(Number(port), hostname)
      t.teardown(() => socket.destroy())
      await once(socket, 'connect')
      socket.pause()
      socket.write(`GET /api/tasks/${taskId}/stream HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`)
      return socket
    })
  )
  const attentive = await follow(t, url, taskId)
  let last: Block | undefined
  let count = 0
  let bytes = 0
  for (let event = await attentive.nextEvent(); event; event = await attentive.nextEvent()) {
    count++
    bytes += event.data?.length ?? 0
    last = event
  }

  t.equal(last?.event, 'task_completed')
  t.ok(bytes > 9_000_000, `${bytes} bytes`)
  t.equal(count, 2 * attempts)
  t.equal(await metric(url, 'task_sse_streams'), stuck.length)
  await collect()
  // What is queued for them would be some 100 MiB at least.
  const grown = Math.round(((await memory(url)) - before) / 1024 / 1024)
  t.ok(grown < 32, `${grown} MiB more`)
  for (const socket of stuck) socket.destroy()
  await metricIs(url, 'task_sse_streams', 0)
})

for (const version of ['1.0', '1.1']) {
  t.test(`the end of a stream is the end of its connection, for HTTP/${version}`, async (t) => {
    const app = await startApp(t, { types: [echo] })
    const { hostname, port } = new URL(urlOf(app))
    const { taskId } = (
      await app.inject({ method: 'POST', url: '/api/tasks', payload: { type: 'echo', input: 1 } })
    ).json()
    const socket = connect(Number(port), hostname)
    t.teardown(() => {
      socket.destroy()
    })
    socket.write(
      `GET /api/tasks/${taskId}/stream HTTP/${version}\r\nHost: ${hostname}\r\nConnection: keep-alive\r\n\r\n`
    )

    let text = ''
    for await (const chunk of socket.setEncoding('utf8')) text += chunk

    t.match(text, /event: task_completed/)
  })
}
