import { EventEmitter, once } from 'node:events'
import t, { type Test } from 'tap'
import type { TaskRecord } from '../../src/task.ts'
import { cancel, echo, ended, record, start, unknownId } from '../api.ts'
import { heldTask, inlineType, startApp } from '../helper.ts'

type App = Awaited<ReturnType<typeof startApp>>
type Headers = Record<string, string>

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const counted = inlineType({
  type: 'counted',
  input: {
    type: 'object',
    properties: {
      count: { type: 'integer', minimum: 0 },
      unit: { type: 'string', default: 'pieces' },
      nested: { type: 'object', properties: { level: { type: 'number' } }, additionalProperties: false }
    },
    required: ['count'],
    additionalProperties: false
  },
  run: (input) => input
})

const post = (app: App, payload: object, headers: Headers = {}) =>
  app.inject({ method: 'POST', url: '/api/tasks', payload, headers })

const postText = (app: App, payload: string | undefined, contentType?: string) =>
  app.inject({
    method: 'POST',
    url: '/api/tasks',
    ...(payload !== undefined && { payload }),
    headers: contentType === undefined ? {} : { 'content-type': contentType }
  })

const postOnce = (app: App, key: string, payload: object) => post(app, payload, { 'idempotency-key': key })

const get = (app: App, url: string) => app.inject({ url })
const remove = (app: App, taskId: string) => app.inject({ method: 'DELETE', url: `/api/tasks/${taskId}` })
const list = async (app: App, query = ''): Promise<{ tasks: TaskRecord[]; nextCursor?: string }> =>
  (await get(app, `/api/tasks${query}`)).json()

/** Everything an error answer promises: its status, its stable code and nothing besides the four fields. */
function matchError(
  t: Test,
  response: Awaited<ReturnType<typeof get>>,
  statusCode: number,
  code: string,
  message: RegExp = /./
) {
  t.equal(response.statusCode, statusCode, response.body.slice(0, 300))
  const body = response.json()
  t.same(Object.keys(body).sort(), ['code', 'error', 'message', 'statusCode'])
  t.equal(body.statusCode, statusCode)
  t.equal(body.code, code)
  t.match(body.message, message)
}

t.test('starting a task answers 202 and says where to follow it', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })

  const response = await post(app, { type: 'held', input: {} })

  t.equal(response.statusCode, 202)
  const { taskId } = response.json()
  t.match(taskId, uuidv7)
  t.equal(response.headers.location, `/api/tasks/${taskId}`)
  t.match(String(response.headers['content-type']), /^application\/json/)
  t.notOk('idempotent-replayed' in response.headers)
  t.same(response.json(), {
    taskId,
    type: 'held',
    status: 'pending',
    statusUrl: `/api/tasks/${taskId}`,
    streamUrl: `/api/tasks/${taskId}/stream`
  })
})

t.test('task ids grow with time', async (t) => {
  const app = await startApp(t, { types: [echo] })

  const ids: string[] = []
  for (let n = 0; n < 20; n++) ids.push(await start(app, { type: 'echo', input: n }))

  t.same(ids, [...ids].sort())
})

t.test('a record follows its task from pending to completed', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1' }, types: [held.type] })
  const before = await start(app, { type: 'held', input: {} })
  const run = await held.started()
  const taskId = await start(app, { type: 'held', input: { secret: 'input' }, priority: 3 })

  const pending = await record(app, taskId)
  t.match(pending.createdAt, isoTime)
  t.same(pending, {
    taskId,
    type: 'held',
    status: 'pending',
    progress: { value: 0, text: '' },
    attempt: 0,
    priority: 3,
    createdAt: pending.createdAt,
    requestId: pending.requestId
  })
  t.type(pending.requestId, 'string')

  run.release()
  const second = await held.started(1)
  second.ctx.progress(0.5, 'half')
  const running = await record(app, taskId)
  t.match(String(running.startedAt), isoTime)
  t.match(running, { status: 'running', attempt: 1, createdAt: pending.createdAt })
  t.notOk('endedAt' in running || 'result' in running || 'error' in running || 'cancelReason' in running)

  second.release({ boards: 4 })
  const completed = await ended(app, taskId)
  t.match(String(completed.endedAt), isoTime)
  const { startedAt, endedAt } = completed
  t.same(completed, {
    ...running,
    attempts: [{ attempt: 1, startedAt, endedAt, outcome: 'completed' }],
    status: 'completed',
    progress: { value: 0.5, text: 'half' },
    endedAt: completed.endedAt,
    result: { boards: 4 }
  })
  t.ok(String(completed.startedAt) >= completed.createdAt)
  t.ok(String(completed.endedAt) >= String(completed.startedAt))
  t.equal((await ended(app, before)).status, 'completed')
})

t.test('a result is sent as it was kept; a page has neither results nor attempts', async (t) => {
  const result = {
    text: '"ü€😀\\u2028\\u0000',
    deep: [[{}]],
    __proto__: null,
    n: [0.1, 1e21, -0],
    none: null
  }
  const returning = inlineType({ type: 'returning', run: () => result })
  const app = await startApp(t, { types: [returning] })
  const { taskId } = (await post(app, { type: 'returning', input: {} })).json()
  const expected = JSON.parse(JSON.stringify(result))
  t.same((await ended(app, taskId)).result, expected)

  const response = await app.inject(`/api/tasks/${taskId}`)

  t.match(response.headers, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(response.rawPayload.length)
  })
  t.ok(response.body.endsWith(`,"result":${JSON.stringify(result)}}`))
  t.same((await app.tasks.getTask(taskId)).result, expected)
  const { result: _, attempts, ...summary } = response.json()
  t.equal(attempts.length, 1)
  t.same((await app.inject('/api/tasks')).json(), { tasks: [summary] })
})

t.test('a failed task says why, with the code of what was thrown', async (t) => {
  const coded = inlineType({
    type: 'coded',
    run: () => {
      throw Object.assign(new Error('no such part'), { code: 'PART_UNKNOWN' })
    }
  })
  const plain = inlineType({
    type: 'plain',
    run: async () => {
      throw new TypeError('oops')
    }
  })
  const app = await startApp(t, { types: [coded, plain] })

  const withCode = await ended(app, await start(app, { type: 'coded', input: {} }))
  const without = await ended(app, await start(app, { type: 'plain', input: {} }))

  t.equal(withCode.status, 'failed')
  t.same(withCode.error, { code: 'PART_UNKNOWN', message: 'no such part' })
  t.same(without.error, { code: 'TASK_FAILED', message: 'oops' })
  t.notOk('result' in withCode)
})

t.test('results of every JSON kind come back as they are', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const results = [
    null,
    true,
    0,
    -1.5e-7,
    '',
    'ohm Ω \u0000 \ud83d\ude00',
    [],
    [1, [2]],
    {},
    { a: { b: null } }
  ]

  for (const result of results) {
    const { status, result: returned } = await ended(app, await start(app, { type: 'echo', input: result }))
    t.equal(status, 'completed')
    t.strictSame(returned, result)
  }
})

t.test('a task that returns nothing has the result null', async (t) => {
  const app = await startApp(t, { types: [inlineType({ type: 'nothing', run: () => {} })] })

  const task = await ended(app, await start(app, { type: 'nothing', input: {} }))

  t.equal(task.status, 'completed')
  t.equal(task.result, null)
})

t.test('a task runs with the input that was sent, its defaults filled in', async (t) => {
  const app = await startApp(t, { types: [counted] })

  const task = await ended(app, await start(app, { type: 'counted', input: { count: 5 } }))

  t.same(task.result, { count: 5, unit: 'pieces' })
})

t.test('records do not echo the input', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  await start(app, { type: 'held', input: { word: 'xylophone' } })
  await held.started()

  const page = await get(app, '/api/tasks')

  t.notMatch(page.body, /xylophone|"input"/)
})

t.test('a bad body is refused and the message names the field', async (t) => {
  const app = await startApp(t, { types: [counted] })
  const input = { count: 1 }
  const cases: [body: object, names: RegExp][] = [
    [{}, /type/],
    [{ type: 'counted' }, /input/],
    [{ input }, /type/],
    [{ type: 5, input }, /body\/type/],
    [{ type: null, input }, /body\/type/],
    [{ type: '', input }, /body\/type/],
    [{ type: 'x'.repeat(101), input }, /body\/type/],
    [{ type: 'counted', input, priority: '5' }, /body\/priority/],
    [{ type: 'counted', input, priority: -1 }, /body\/priority/],
    [{ type: 'counted', input, priority: 11 }, /body\/priority/],
    [{ type: 'counted', input, priority: 1.5 }, /body\/priority/],
    [{ type: 'counted', input, priority: null }, /body\/priority/],
    [{ type: 'counted', input, colour: 'red' }, /colour/],
    [{ type: 'counted', input: null }, /body\/input/],
    [{ type: 'counted', input: 'x' }, /body\/input/],
    [{ type: 'counted', input: {} }, /body\/input.*count/],
    [{ type: 'counted', input: { count: '5' } }, /body\/input\/count/],
    [{ type: 'counted', input: { count: true } }, /body\/input\/count/],
    [{ type: 'counted', input: { count: -1 } }, /body\/input\/count/],
    [{ type: 'counted', input: { count: 1, extra: 1 } }, /body\/input\/extra/],
    [{ type: 'counted', input: { count: 1, nested: { level: 'x' } } }, /body\/input\/nested\/level/],
    [{ type: 'counted', input: { count: 1, nested: { depth: 1 } } }, /body\/input\/nested\/depth/],
    [[], /body/],
    [[{ type: 'counted', input }], /body/]
  ]

  for (const [body, names] of cases) {
    t.comment(JSON.stringify(body).slice(0, 100))
    matchError(t, await post(app, body), 400, 'FST_ERR_VALIDATION', names)
  }
  t.same((await list(app)).tasks, [], 'none of them made a task')
})

t.test('bodies that are no JSON object are refused', async (t) => {
  const app = await startApp(t)

  for (const text of ['null', '5', '"text"', 'true']) {
    matchError(t, await postText(app, text, 'application/json'), 400, 'FST_ERR_VALIDATION', /body/)
  }
  for (const text of ['{', '{"type":"echo"', 'undefined', '{"a":1}{"b":2}', "{'a':1}", '[1,]', '\u0000']) {
    matchError(t, await postText(app, text, 'application/json'), 400, 'FST_ERR_CTP_INVALID_JSON_BODY')
  }
  for (const text of ['{"__proto__":{"admin":true}}', '{"constructor":{"prototype":{"a":1}}}']) {
    matchError(t, await postText(app, text, 'application/json'), 400, 'FST_ERR_CTP_INVALID_JSON_BODY')
  }
  matchError(t, await postText(app, '', 'application/json'), 400, 'FST_ERR_VALIDATION', /body/)
  matchError(t, await postText(app, undefined), 400, 'FST_ERR_VALIDATION', /body/)
})

t.test('an unknown type is refused with the known ones', async (t) => {
  const app = await startApp(t, { types: [echo, counted] })

  for (const type of ['nope', 'Echo', 'toString', '__proto__', 'bom-coverage\u0000']) {
    const response = await post(app, { type, input: {} })
    matchError(t, response, 400, 'TASK_TYPE_UNKNOWN', /bom-coverage.*echo.*counted/)
  }
})

t.test('only JSON bodies are read', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const body = JSON.stringify({ type: 'echo', input: {} })
  const others = [
    'text/plain',
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/octet-stream',
    'application/jsonx',
    'text/json',
    'json'
  ]

  for (const contentType of others) {
    matchError(t, await postText(app, body, contentType), 415, 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
  }
  for (const contentType of ['application/json', 'application/json; charset=utf-8', 'Application/JSON']) {
    t.equal((await postText(app, body, contentType)).statusCode, 202, contentType)
  }
})

t.test('a body beyond BODY_LIMIT is refused, one of exactly that size is not', async (t) => {
  const app = await startApp(t, { env: { BODY_LIMIT: '1000' }, types: [echo] })
  const bodyOf = (bytes: number) => {
    const frame = JSON.stringify({ type: 'echo', input: '' })
    return JSON.stringify({ type: 'echo', input: 'x'.repeat(bytes - frame.length) })
  }

  const fits = await postText(app, bodyOf(1000), 'application/json')
  const tooLarge = await postText(app, bodyOf(1001), 'application/json')

  t.equal(fits.statusCode, 202)
  matchError(t, tooLarge, 413, 'FST_ERR_CTP_BODY_TOO_LARGE')
})

t.test('a body may be 64 levels deep and not 65', async (t) => {
  const app = await startApp(t, { types: [echo] })
  // The body itself is the first level.
  const arrays = (levels: number) => `{"type":"echo","input":${'['.repeat(levels)}1${']'.repeat(levels)}}`
  const objects = (levels: number) =>
    `{"type":"echo","input":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`

  for (const body of [arrays, objects]) {
    t.equal((await postText(app, body(63), 'application/json')).statusCode, 202)
    matchError(t, await postText(app, body(64), 'application/json'), 400, 'INPUT_TOO_DEEP', /64/)
    matchError(t, await postText(app, body(100_000), 'application/json'), 400, 'INPUT_TOO_DEEP')
  }
})

t.test('the same key and body again give the first answer', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const body = { type: 'held', input: { a: 1, b: { c: [1, 2], d: null } } }
  const first = await postOnce(app, 'order-7', body)
  const run = await held.started()

  const whileRunning = await postOnce(app, 'order-7', body)
  run.release()
  await ended(app, first.json().taskId)
  const afterwards = await postOnce(app, 'order-7', body)

  t.notOk('idempotent-replayed' in first.headers)
  for (const replay of [whileRunning, afterwards]) {
    t.equal(replay.statusCode, 202)
    t.equal(replay.headers['idempotent-replayed'], 'true')
    t.equal(replay.headers.location, first.headers.location)
    t.same(replay.json(), first.json())
  }
  t.equal(held.runs.length, 1)
  t.equal((await list(app)).tasks.length, 1)
})

t.test(
  'a replay is compared as JSON values: neither key order nor spelling of numbers matters',
  async (t) => {
    const app = await startApp(t, { types: [echo] })
    const send = (payload: string) =>
      app.inject({
        method: 'POST',
        url: '/api/tasks',
        payload,
        headers: { 'content-type': 'application/json', 'idempotency-key': 'key' }
      })
    await send('{"type":"echo","input":{"a":1,"b":{"c":2,"d":[3]}}}')

    const replay = await send(' {"input": {"b":{"d":[3.0],"c":2}, "\\u0061":1e0}, "type": "echo"}')

    t.equal(replay.statusCode, 202)
    t.equal(replay.headers['idempotent-replayed'], 'true')
  }
)

t.test('the same key with another body is refused', async (t) => {
  const app = await startApp(t, { types: [echo, counted] })
  await postOnce(app, 'key', { type: 'echo', input: { count: 1, parts: [1, 2] } })
  const others = [
    { type: 'echo', input: { count: 2, parts: [1, 2] } },
    { type: 'echo', input: { count: 1, parts: [2, 1] } },
    { type: 'echo', input: { count: '1', parts: [1, 2] } },
    { type: 'echo', input: { count: 1, parts: [1, 2], more: null } },
    { type: 'echo', input: { count: 1, parts: [1, 2] }, priority: 1 },
    { type: 'counted', input: { count: 1 } }
  ]

  for (const body of others) matchError(t, await postOnce(app, 'key', body), 422, 'IDEMPOTENCY_KEY_REUSED')
  t.equal((await list(app)).tasks.length, 1)
})

t.test('many requests at once with one key make one task', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  const body = { type: 'held', input: { n: 1 } }

  const responses = await Promise.all(Array.from({ length: 50 }, () => postOnce(app, 'one', body)))

  t.same(new Set(responses.map(({ statusCode }) => statusCode)), new Set([202]))
  t.equal(new Set(responses.map((response) => response.json().taskId)).size, 1)
  t.equal(responses.filter(({ headers }) => headers['idempotent-replayed'] === 'true').length, 49)
  t.equal((await list(app)).tasks.length, 1)
})

t.test('many different bodies at once with one key make one task', async (t) => {
  const app = await startApp(t, { types: [echo] })

  const responses = await Promise.all(
    Array.from({ length: 50 }, (_, n) => postOnce(app, 'one', { type: 'echo', input: n }))
  )

  t.equal(responses.filter(({ statusCode }) => statusCode === 202).length, 1)
  t.equal(responses.filter(({ statusCode }) => statusCode === 422).length, 49)
  t.equal((await list(app)).tasks.length, 1)
})

t.test('a rejected request does not use its key up', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1', MAX_PENDING: '1' }, types: [held.type, counted] })

  t.equal((await postOnce(app, 'invalid', { type: 'counted', input: { count: 'x' } })).statusCode, 400)
  t.equal((await postOnce(app, 'unknown', { type: 'nope', input: {} })).statusCode, 400)
  await start(app, { type: 'held', input: 1 })
  const first = await held.started()
  await start(app, { type: 'held', input: 2 })
  const full = await postOnce(app, 'full', { type: 'counted', input: { count: 1 } })
  matchError(t, full, 429, 'TASK_QUEUE_FULL')
  app.shutdown.setDraining(true)
  const draining = await postOnce(app, 'draining', { type: 'counted', input: { count: 1 } })
  matchError(t, draining, 503, 'SERVICE_DRAINING')
  app.shutdown.setDraining(false)
  first.release()
  const second = await held.started(1)
  second.release()

  for (const key of ['invalid', 'unknown', 'full', 'draining']) {
    const response = await postOnce(app, key, { type: 'counted', input: { count: 2 } })
    t.equal(response.statusCode, 202, key)
    t.notOk('idempotent-replayed' in response.headers, key)
    await ended(app, response.json().taskId)
  }
})

t.test('a key survives a restart', async (t) => {
  const env = { TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db` }
  const body = { type: 'echo', input: { a: 1, b: 2 } }
  const before = await startApp(t, { env, types: [echo] })
  const first = await postOnce(before, 'order-7', body)
  await ended(before, first.json().taskId)
  await before.close()
  const after = await startApp(t, { env, types: [echo] })

  const replay = await postOnce(after, 'order-7', { input: { b: 2, a: 1 }, type: 'echo' })
  const other = await postOnce(after, 'order-7', { type: 'echo', input: {} })

  t.equal(replay.headers['idempotent-replayed'], 'true')
  t.same(replay.json(), first.json())
  t.equal(other.statusCode, 422)
})

t.test('accepted tasks survive a restart, and run in their order', async (t) => {
  const env = { TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db`, MAX_WORKERS: '1' }
  const held = heldTask()
  const before = await startApp(t, { env, types: [held.type] })
  const running = await start(before, { type: 'held', input: 'running' })
  await held.started()
  for (const [input, priority] of [
    ['low', 0],
    ['high', 9],
    ['low too', 0]
  ] as const)
    await start(before, { type: 'held', input, priority })
  await before.close()
  const again = heldTask()

  const after = await startApp(t, { env, types: [again.type] })

  for (let n = 0; n < 3; n++) (await again.started(n)).release()
  t.same(
    again.runs.map(({ input }) => input),
    ['high', 'low', 'low too']
  )
  t.match(await record(after, running), { status: 'cancelled', cancelReason: 'shutdown' })
})

t.test('a key is free again when its task is deleted', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const first = await postOnce(app, 'key', { type: 'echo', input: 1 })
  await ended(app, first.json().taskId)
  t.equal((await remove(app, first.json().taskId)).statusCode, 204)

  const second = await postOnce(app, 'key', { type: 'echo', input: 2 })

  t.equal(second.statusCode, 202)
  t.notOk('idempotent-replayed' in second.headers)
  t.not(second.json().taskId, first.json().taskId)
})

t.test('a key has 1 to 255 characters', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const body = { type: 'echo', input: 1 }

  t.equal((await postOnce(app, 'k', body)).statusCode, 202)
  t.equal((await postOnce(app, 'k'.repeat(255), body)).statusCode, 202)
  matchError(t, await postOnce(app, 'k'.repeat(256), body), 400, 'FST_ERR_VALIDATION', /idempotency-key/)
  matchError(t, await postOnce(app, '', body), 400, 'FST_ERR_VALIDATION', /idempotency-key/)
})

t.test('while draining new tasks are refused and replays are answered', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const body = { type: 'echo', input: 1 }
  const first = await postOnce(app, 'key', body)
  app.shutdown.setDraining(true)

  const refused = await post(app, body)
  const newKey = await postOnce(app, 'new', body)
  const replay = await postOnce(app, 'key', body)
  const status = await get(app, `/api/tasks/${first.json().taskId}`)

  for (const response of [refused, newKey]) {
    matchError(t, response, 503, 'SERVICE_DRAINING')
    t.match(response.headers['retry-after'], /^[1-9]\d*$/)
  }
  t.equal(replay.statusCode, 202)
  t.equal(replay.headers['idempotent-replayed'], 'true')
  t.same(replay.json(), first.json())
  t.equal(status.statusCode, 200)
})

t.test('the list is newest first and its pages neither skip nor repeat while tasks are added', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const ids: string[] = []
  for (let n = 0; n < 23; n++) ids.push(await start(app, { type: 'echo', input: n }))

  const seen: string[] = []
  const sizes: number[] = []
  let cursor: string | undefined
  do {
    const page = await list(app, `?limit=5${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
    seen.push(...page.tasks.map(({ taskId }) => taskId))
    sizes.push(page.tasks.length)
    cursor = page.nextCursor
    await start(app, { type: 'echo', input: 'added meanwhile' })
  } while (cursor !== undefined)

  t.same(seen, [...ids].reverse())
  t.same(sizes, [5, 5, 5, 5, 3])
})

t.test('the last page has no cursor, also when it is full', async (t) => {
  const app = await startApp(t, { types: [echo] })
  for (let n = 0; n < 6; n++) await start(app, { type: 'echo', input: n })

  const first = await list(app, '?limit=3')
  const last = await list(app, `?limit=3&cursor=${first.nextCursor}`)

  t.equal(last.tasks.length, 3)
  t.notOk('nextCursor' in last)
})

t.test('a page has 50 tasks unless told otherwise, 200 at most', async (t) => {
  const app = await startApp(t, { types: [echo] })
  await Promise.all(Array.from({ length: 201 }, (_, n) => post(app, { type: 'echo', input: n })))

  t.equal((await list(app)).tasks.length, 50)
  t.equal((await list(app, '?limit=1')).tasks.length, 1)
  t.equal((await list(app, '?limit=200')).tasks.length, 200)
})

t.test('an empty list is an empty list', async (t) => {
  const app = await startApp(t)

  t.same(await list(app), { tasks: [] })
  t.same(await list(app, '?status=failed&type=nope'), { tasks: [] })
})

t.test('the list can be narrowed to a status, a type or both', async (t) => {
  const held = heldTask()
  const failing = inlineType({
    type: 'failing',
    run: () => {
      throw new Error('no')
    }
  })
  const app = await startApp(t, { env: { MAX_WORKERS: '2' }, types: [held.type, echo, failing] })
  const completed = await start(app, { type: 'echo', input: 1 })
  const failed = await start(app, { type: 'failing', input: 1 })
  await ended(app, completed)
  await ended(app, failed)
  const running = [await start(app, { type: 'held', input: 1 }), await start(app, { type: 'held', input: 2 })]
  await held.started(1)
  const pending = await start(app, { type: 'echo', input: 1 })
  const cancelled = await start(app, { type: 'held', input: 3 })
  await cancel(app, cancelled)

  const idsOf = async (query: string) => (await list(app, query)).tasks.map(({ taskId }) => taskId)

  t.same(await idsOf('?status=pending'), [pending])
  t.same(await idsOf('?status=running'), [...running].reverse())
  t.same(await idsOf('?status=completed'), [completed])
  t.same(await idsOf('?status=failed'), [failed])
  t.same(await idsOf('?status=cancelled'), [cancelled])
  t.same(await idsOf('?type=echo'), [pending, completed])
  t.same(await idsOf('?type=echo&status=completed'), [completed])
  t.same(await idsOf('?type=failing&status=completed'), [])
  const first = await list(app, '?status=running&limit=1')
  t.same(await idsOf(`?status=running&limit=1&cursor=${first.nextCursor}`), [running[0]])
})

t.test('a query that makes no sense is refused', async (t) => {
  const app = await startApp(t, { types: [echo] })
  for (let n = 0; n < 3; n++) await start(app, { type: 'echo', input: n })
  const { nextCursor = '' } = await list(app, '?limit=1')

  for (const limit of ['0', '-1', '201', '1.5', 'ten', '', '1e99', '1e999', 'Infinity', '-Infinity', 'NaN'])
    matchError(t, await get(app, `/api/tasks?limit=${limit}`), 400, 'FST_ERR_VALIDATION', /limit/)
  for (const status of ['done', 'PENDING', '', 'pending,running'])
    matchError(t, await get(app, `/api/tasks?status=${status}`), 400, 'FST_ERR_VALIDATION', /status/)
  const cursors = [
    '',
    'garbage',
    '-1',
    '%00',
    'c2VxOi0x',
    'c2VxOjEuNQ',
    nextCursor.slice(1),
    `${nextCursor}*`,
    'a'.repeat(10_000)
  ]
  for (const cursor of cursors) {
    const response = await get(app, `/api/tasks?cursor=${cursor}`)
    t.equal(response.statusCode, 400, `cursor ${cursor.slice(0, 50)}`)
    t.match(response.json().code, /^(CURSOR_INVALID|FST_ERR_VALIDATION)$/)
  }
})

t.test('beyond MAX_PENDING new tasks are refused, exactly', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1', MAX_PENDING: '5' }, types: [held.type] })
  await start(app, { type: 'held', input: 'running' })
  const run = await held.started()

  const responses = await Promise.all(
    Array.from({ length: 30 }, (_, n) => post(app, { type: 'held', input: n }))
  )

  const refused = responses.filter(({ statusCode }) => statusCode === 429)
  t.equal(responses.filter(({ statusCode }) => statusCode === 202).length, 5)
  t.equal(refused.length, 25)
  for (const response of refused.slice(0, 3)) {
    matchError(t, response, 429, 'TASK_QUEUE_FULL')
    t.match(response.headers['retry-after'], /^[1-9]\d*$/)
  }
  t.equal((await list(app, '?status=pending')).tasks.length, 5)

  run.release()
  await held.started(1)
  t.equal((await post(app, { type: 'held', input: 'room again' })).statusCode, 202)
  t.equal((await post(app, { type: 'held', input: 'full again' })).statusCode, 429)
})

t.test('cancelling a pending task makes room in the queue', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1', MAX_PENDING: '1' }, types: [held.type] })
  await start(app, { type: 'held', input: 1 })
  await held.started()
  const pending = await start(app, { type: 'held', input: 2 })
  t.equal((await post(app, { type: 'held', input: 3 })).statusCode, 429)

  await cancel(app, pending)

  t.equal((await post(app, { type: 'held', input: 3 })).statusCode, 202)
  t.equal((await post(app, { type: 'held', input: 4 })).statusCode, 429)
})

t.test('higher priority runs first, then first in, first out', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1' }, types: [held.type] })
  await start(app, { type: 'held', input: 'first' })
  await held.started()
  const tasks: [string, number?][] = [
    ['a0'],
    ['b5', 5],
    ['c0', 0],
    ['d10', 10],
    ['e5', 5],
    ['f1', 1],
    ['g10', 10],
    ['h0']
  ]

  for (const [input, priority] of tasks)
    await start(app, { type: 'held', input, ...(priority !== undefined && { priority }) })
  for (let n = 0; n <= tasks.length; n++) (await held.started(n)).release()

  t.same(
    held.runs.map(({ input }) => input),
    ['first', 'd10', 'g10', 'b5', 'e5', 'f1', 'a0', 'c0', 'h0']
  )
})

t.test('at most MAX_WORKERS tasks run at once', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '3' }, types: [held.type] })
  await Promise.all(Array.from({ length: 7 }, (_, n) => post(app, { type: 'held', input: n })))
  await held.started(2)

  t.equal((await list(app, '?status=running')).tasks.length, 3)
  t.equal((await list(app, '?status=pending')).tasks.length, 4)
  t.equal(app.tasks.getActiveTaskCount(), 3)

  for (let n = 0; n < 7; n++) {
    const run = await held.started(n)
    t.ok((await list(app, '?status=running')).tasks.length <= 3)
    run.release()
  }
})

t.test('a task that is tried again at once still counts as running', async (t) => {
  const held = heldTask({ attempts: 2 })
  const app = await startApp(t, { types: [held.type] })
  const taskId = await start(app, { type: 'held', input: null })
  ;(await held.started()).fail(new Error('again'))
  const second = await held.started(1)
  // By the end of a later one, all has been told of the first attempt.
  const later = await start(app, { type: 'held', input: null })
  ;(await held.started(2)).release()
  await ended(app, later)

  t.equal(app.tasks.getActiveTaskCount(), 1)
  t.equal(app.tasks.executor.remaining(), 1)

  second.release()
  t.match(await ended(app, taskId), { status: 'completed', attempt: 2 })
  t.equal(app.tasks.executor.remaining(), 0)
})

t.test('cancelling a pending task ends it at once, and it never runs', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1' }, types: [held.type, echo] })
  await start(app, { type: 'held', input: 'running' })
  const run = await held.started()
  const taskId = await start(app, { type: 'held', input: 'cancelled' })
  const next = await start(app, { type: 'echo', input: 'next' })

  const response = await cancel(app, taskId)

  t.equal(response.statusCode, 202)
  t.same(response.json(), await record(app, taskId))
  t.match(response.json(), {
    taskId,
    status: 'cancelled',
    cancelReason: 'client',
    attempt: 0,
    endedAt: isoTime
  })
  t.notOk('startedAt' in response.json())
  run.release()
  t.equal((await ended(app, next)).status, 'completed')
  t.equal(held.runs.length, 1)
})

t.test('cancelling a running task aborts it, and it is cancelled when it has ended', async (t) => {
  const events = new EventEmitter()
  const started = once(events, 'started')
  const aborted = once(events, 'aborted')
  const type = inlineType({
    type: 'slow-to-stop',
    run: (_input, ctx) =>
      new Promise((resolve) => {
        events.once('let go', () => resolve('finished all the same'))
        ctx.signal.addEventListener('abort', () => events.emit('aborted', ctx.signal.reason))
        events.emit('started')
      })
  })
  const app = await startApp(t, { env: { CANCEL_GRACE: '60' }, types: [type] })
  const taskId = await start(app, { type: 'slow-to-stop', input: {} })
  await started

  const response = await cancel(app, taskId)

  t.equal(response.statusCode, 202)
  t.match(response.json(), { taskId, status: 'running', attempt: 1 })
  t.match(await aborted, [{ code: 'client' }])
  t.equal((await record(app, taskId)).status, 'running', 'until it has ended')
  const again = await cancel(app, taskId)
  t.equal(again.statusCode, 202, 'asking twice changes nothing')
  events.emit('let go')
  const task = await ended(app, taskId)
  t.match(task, { status: 'cancelled', cancelReason: 'client', endedAt: isoTime })
  t.notOk('result' in task)
})

t.test('a client may name the type of a body that it does not send', async (t) => {
  const { type } = heldTask()
  const app = await startApp(t, { types: [type] })
  const taskId = await start(app, { type: 'held', input: 1 })

  const response = await app.inject({
    method: 'POST',
    url: `/api/tasks/${taskId}/cancel`,
    headers: { 'content-type': 'application/json' }
  })

  t.equal(response.statusCode, 202)
})

t.test('a cancelled task gives its slot to the next one', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1' }, types: [held.type] })
  const first = await start(app, { type: 'held', input: 1 })
  await held.started()
  const second = await start(app, { type: 'held', input: 2 })

  await cancel(app, first)

  const run = await held.started(1)
  t.equal((await record(app, first)).status, 'cancelled')
  run.release('done')
  t.match(await ended(app, second), { status: 'completed', result: 'done' })
})

t.test('a finished task cannot be cancelled', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type, echo] })
  const completed = await start(app, { type: 'echo', input: 1 })
  await ended(app, completed)
  const failed = await start(app, { type: 'held', input: 1 })
  const run = await held.started()
  run.fail(new Error('no'))
  await ended(app, failed)
  const cancelled = await start(app, { type: 'held', input: 1 })
  await held.started(1)
  await cancel(app, cancelled)
  await ended(app, cancelled)

  for (const taskId of [completed, failed, cancelled]) {
    const before = await record(app, taskId)
    matchError(t, await cancel(app, taskId), 409, 'TASK_ALREADY_FINISHED')
    t.same(await record(app, taskId), before)
  }
})

t.test('a finished task can be deleted and is gone', async (t) => {
  const app = await startApp(t, { types: [echo] })
  const kept = await start(app, { type: 'echo', input: 1 })
  const taskId = await start(app, { type: 'echo', input: 2 })
  await ended(app, kept)
  await ended(app, taskId)

  const response = await remove(app, taskId)

  t.equal(response.statusCode, 204)
  t.equal(response.body, '')
  matchError(t, await get(app, `/api/tasks/${taskId}`), 404, 'TASK_NOT_FOUND')
  matchError(t, await get(app, `/api/tasks/${taskId}/stream`), 404, 'TASK_NOT_FOUND')
  matchError(t, await cancel(app, taskId), 404, 'TASK_NOT_FOUND')
  matchError(t, await remove(app, taskId), 404, 'TASK_NOT_FOUND')
  t.same(
    (await list(app)).tasks.map((task) => task.taskId),
    [kept]
  )
})

t.test('a pending or running task cannot be deleted', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '1' }, types: [held.type] })
  const running = await start(app, { type: 'held', input: 1 })
  const run = await held.started()
  const pending = await start(app, { type: 'held', input: 2 })

  for (const taskId of [running, pending]) matchError(t, await remove(app, taskId), 409, 'TASK_NOT_FINISHED')

  run.release()
  t.equal((await ended(app, running)).status, 'completed')
  t.equal((await record(app, pending)).status, 'running')
})

t.test('a task that never was is 404', async (t) => {
  const app = await startApp(t)

  for (const id of [
    unknownId,
    'garbage',
    '0',
    '-',
    '%00',
    '%F0%9F%98%80',
    "'; DROP TABLE tasks; --",
    'x'.repeat(500)
  ]) {
    const path = encodeURI(decodeURIComponent(id))
    matchError(t, await get(app, `/api/tasks/${path}`), 404, 'TASK_NOT_FOUND')
    matchError(t, await cancel(app, path), 404, 'TASK_NOT_FOUND')
    matchError(t, await remove(app, path), 404, 'TASK_NOT_FOUND')
  }
})

t.test('a route that does not exist is 404 in the shape of every error', async (t) => {
  const app = await startApp(t)

  const requests = [
    { method: 'GET', url: '/nothing' },
    { method: 'GET', url: '/api' },
    { method: 'GET', url: '/api/tasks/x/y/z' },
    { method: 'PUT', url: '/api/tasks' },
    { method: 'PATCH', url: `/api/tasks/${unknownId}` },
    { method: 'POST', url: '/healthz' }
  ] as const
  for (const request of requests) {
    const response = await app.inject(request)
    matchError(t, response, 404, 'ROUTE_NOT_FOUND', new RegExp(request.method))
    t.equal(response.json().error, 'Not Found')
  }
})

t.test('the task types that can be run are listed with their policies', async (t) => {
  const held = heldTask({
    description: 'Waits to be let go.',
    onShutdown: 'requeue',
    timeoutSeconds: 7.5,
    input: { type: 'object' }
  })
  const app = await startApp(t, { env: { TASK_TIMEOUT: '33' }, types: [held.type] })

  const response = await get(app, '/api/task-types')

  t.equal(response.statusCode, 200)
  const types: { type: string }[] = response.json()
  t.same(
    types.find(({ type }) => type === 'held'),
    {
      type: 'held',
      description: 'Waits to be let go.',
      inputSchema: { type: 'object' },
      isolation: 'inline',
      onShutdown: 'requeue',
      onLost: 'fail',
      timeoutSeconds: 7.5
    }
  )
  t.match(
    types.find(({ type }) => type === 'bom-coverage'),
    { isolation: 'process', timeoutSeconds: 33, inputSchema: { type: 'object', properties: { boards: {} } } }
  )
})

t.test('the built-in bom-coverage covers a bill of materials', async (t) => {
  const app = await startApp(t)
  const bom = 'Reference,Qty,Value,Footprint\nR1 R2,2,10k,0603\n'
  const stock =
    'part_id,manufacturer_code,value,package,description,quantity,location\nP1,RC0603,10k,0603,Resistor,100,A1\n'

  const taskId = await start(app, { type: 'bom-coverage', input: { bom, stock, boards: 3 } })

  t.match(await ended(app, taskId), { status: 'completed', result: { lines: Array } })
})

t.test('events of one turn do not wait for each other: a task that ends at once is completed', async (t) => {
  const app = await startApp(t, { env: { MAX_WORKERS: '4' }, types: [echo] })

  const responses = await Promise.all(
    Array.from({ length: 200 }, (_, n) => post(app, { type: 'echo', input: n }))
  )
  const tasks = await Promise.all(responses.map((response) => ended(app, response.json().taskId)))

  t.same(
    tasks.map(({ result }) => result),
    Array.from({ length: 200 }, (_, n) => n)
  )
  t.ok(tasks.every(({ status, attempt }) => status === 'completed' && attempt === 1))
})
