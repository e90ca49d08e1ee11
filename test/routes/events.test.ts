import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { echo, start } from '../api.ts'
import { heldTask, inlineType, startApp, urlOf } from '../helper.ts'

interface Event {
  id: string | undefined
  event: string
  data: { taskId: string; type: string; taskType: string; timestamp: string; data: unknown }
}

/** An open stream of all tasks; `until` resolves with all events so far when there are as many. */
async function open(t: Test, app: FastifyInstance, query = '', headers = {}) {
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const response = await fetch(`${urlOf(app)}/api/events${query}`, { signal: stop.signal, headers })
  const events: Event[] = []
  let text = ''
  let changed = () => {}
  const ended = (async () => {
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
        const data = field('data')
        if (data) events.push({ id: field('id'), event: field('event') ?? '', data: JSON.parse(data) })
      }
      changed()
    }
  })().catch(() => {})
  const until = async (count: number) => {
    while (events.length < count) await new Promise<void>((resolve) => (changed = resolve))
    return events
  }
  return { response, events, until, ended }
}

t.test('all that happens to all tasks is told live, without ids and without progress', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [echo, held.type] })
  const stream = await open(t, app)
  const first = await start(app, { type: 'held', input: 1, labels: { a: '1' } })
  const run = await held.started()
  run.ctx.progress(0.5, 'half')
  run.release({ ok: true })
  await stream.until(3)
  const later = await start(app, { type: 'echo', input: 1, delaySeconds: 3600 })

  const events = await stream.until(4)

  t.equal(stream.response.status, 200)
  t.match(stream.response.headers.get('content-type'), /^text\/event-stream/)
  t.equal(stream.response.headers.get('x-accel-buffering'), 'no')
  t.match(events, [
    {
      event: 'task_accepted',
      data: { taskId: first, type: 'task_accepted', taskType: 'held', data: { status: 'pending' } }
    },
    { event: 'task_started', data: { taskId: first, taskType: 'held', data: { attempt: 1 } } },
    { event: 'task_completed', data: { taskId: first, taskType: 'held', data: { ok: true } } },
    {
      event: 'task_accepted',
      data: { taskId: later, taskType: 'echo', data: { status: 'pending', runAt: /Z$/ } }
    }
  ])
  for (const { id, data } of events) {
    t.equal(id, undefined)
    t.strictSame(Object.keys(data).sort(), ['data', 'taskId', 'taskType', 'timestamp', 'type'])
  }
})

t.test('a type, labels and progress can be asked for', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [echo, held.type] })
  const byType = await open(t, app, '?type=held&progress=true')
  const byLabels = await open(t, app, '?label=a:1&label=b:2')
  await start(app, { type: 'echo', input: 1, labels: { a: '1', b: '3' } })
  const wanted = await start(app, { type: 'echo', input: 1, labels: { a: '1', b: '2' } })
  await start(app, { type: 'held', input: 1, labels: { a: '1' } })
  const run = await held.started()
  run.ctx.progress(0.5, 'half')
  run.release()

  const [some, others] = [await byType.until(4), await byLabels.until(3)]

  t.strictSame(
    some.map(({ event }) => event),
    ['task_accepted', 'task_started', 'progress_update', 'task_completed']
  )
  t.ok(some.every(({ data }) => data.taskType === 'held'))
  t.strictSame(
    others.map(({ data }) => data.taskId),
    [wanted, wanted, wanted]
  )
  for (const bad of [
    '?label=x',
    '?progress=maybe',
    '?what=1',
    '?label=a:1&label=b:1&label=c:1&label=d:1&label=e:1'
  ])
    t.equal((await app.inject(`/api/events${bad}`)).statusCode, 400, bad)
})

t.test('it asks for a token when there are tokens, and a ticket is none', async (t) => {
  const app = await startApp(t, { env: { API_TOKENS: 'secret' }, types: [echo] })
  const headers = { authorization: 'Bearer secret' }
  const payload = { type: 'echo', input: 1 }
  const { streamUrl } = (await app.inject({ method: 'POST', url: '/api/tasks', headers, payload })).json()

  t.equal((await app.inject('/api/events')).statusCode, 401)
  t.equal((await app.inject(`/api/events?${streamUrl.split('?')[1]}`)).statusCode, 401)
  t.equal((await open(t, app, '', headers)).response.status, 200)
})

t.test('it ends when the process shuts down, and is counted while it is open', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const stream = await open(t, app)
  t.match((await app.inject('/metrics')).body, /^task_sse_streams 1$/m)

  await app.close()

  await stream.ended
})

t.test('a reader that reads nothing is let go, and those who read lose nothing by it', async (t) => {
  const big = inlineType({ type: 'big', run: () => 'x'.repeat(1_000_000) })
  const app = await startApp(t, { types: [big] })
  const request = get(`${urlOf(app)}/api/events`)
  const [stuck] = (await once(request, 'response')) as [IncomingMessage]
  stuck.pause()
  stuck.on('error', () => {})
  t.teardown(() => request.destroy())
  const reader = await open(t, app)

  // More than any socket buffers, and than the service keeps for a reader.
  for (let n = 1; n <= 20; n++) {
    await start(app, { type: 'big', input: 1 })
    await reader.until(3 * n)
  }

  t.equal(reader.events.length, 60)
  // What was written to it is still to be read; then it ends.
  let length = 0
  for await (const chunk of stuck) length += chunk.length
  t.ok(length < 15_000_000, `${length} bytes`)
})
