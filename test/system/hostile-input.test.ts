/** What clients may send, and worse, to the real process: it answers 4xx or fails the task, and goes on. */
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { cut } from '../fault-proxy.ts'
import { collectType, startServer } from '../helper.ts'

t.setTimeout(300_000)

// The same inputs in every run; change the seed to look for others.
const seed = Number(process.env.FUZZ_SEED ?? 20_260_101)

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

const agent = new Agent({ keepAlive: true, maxSockets: 4 })
t.teardown(() => agent.destroy())

const dir = t.testdir({
  types: {
    'echo.mjs': `export default {
      type: 'echo', description: 'Gives its input back.', input: {}, isolation: 'inline', run: (input) => input
    }`,
    'collect.mjs': collectType
  }
})
const server = await startServer(t, {
  TASK_STORE_URL: `sqlite:${dir}/tasks.db`,
  TASKS_DIR: `${dir}/types`,
  BODY_LIMIT: '16777216',
  MAX_WORKERS: '2',
  TASK_RETENTION: '1',
  LOG_LEVEL: 'info'
})
const { hostname, port } = new URL(server.url)

let inputs = 0
let dead = false
void server.exited.then(() => {
  dead = true
})

async function send(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Buffer
): Promise<Answer> {
  inputs++
  const asked = request({ agent, hostname, port, method, path, headers })
  // An answer may come, and the connection be closed, while we still write.
  asked.on('error', () => {})
  asked.end(body)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
}

const json = { 'content-type': 'application/json' }
const post = (body: string | Buffer, headers: Record<string, string> = {}) =>
  send('POST', '/api/tasks', { ...json, ...headers }, body)

/** Either all is well, or the client is told what it did wrong. */
function isAnswered({ status, body }: Answer): boolean {
  if (status >= 200 && status < 300) return true
  if (status < 400 || status >= 500) return false
  const error = JSON.parse(body)
  return (
    error.statusCode === status && /^[A-Z][A-Z0-9_]+$/.test(error.code) && typeof error.message === 'string'
  )
}

function must(holds: boolean, answer: Answer): void {
  if (!holds) throw new Error(`answered ${answer.status}: ${answer.body.slice(0, 500)}`)
}

/** Runs the property on generated inputs; fast-check shrinks what breaks it to the smallest. */
async function always<T>(
  t: Test,
  numRuns: number,
  arbitrary: fc.Arbitrary<T>,
  check: (input: T) => Promise<void>
) {
  await t.resolves(fc.assert(fc.asyncProperty(arbitrary, check), { numRuns, seed, endOnFailure: false }))
  const alive = await send('GET', '/healthz')
  t.equal(alive.body, 'alive')
}

async function metric(name: string): Promise<number> {
  const { body } = await send('GET', '/metrics')
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(body)?.[1])
}

/** A task that is to end: its final event, then its record. */
async function ended(statusUrl: string) {
  await send('GET', `${statusUrl}/stream`)
  const { body } = await send('GET', statusUrl)
  return JSON.parse(body) as { status: string; error?: { code: string; message: string } }
}

/** Writes bytes as they are and gives back what comes until the server or the patience ends. */
async function raw(bytes: string | Buffer, end = true): Promise<string> {
  inputs++
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  // A server that hangs up while we still write is a reset for us.
  socket.on('error', () => {})
  await once(socket, 'connect')
  const closed = new Promise((resolve) => socket.once('close', resolve))
  if (end) socket.end(bytes)
  else socket.write(bytes)
  await closed
  return Buffer.concat(chunks).toString('latin1')
}

/** The status lines of all answers in what came back. */
const statuses = (answer: string) =>
  [...answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status))

const mebibytes = (bytes: number) => Math.round(bytes / 1024 / 1024)

const anyText = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    '',
    '__proto__',
    'constructor',
    'null',
    'NaN',
    '-0',
    '1e999',
    '\u0000',
    '../..',
    '%00',
    '😀'
  )
)
const headerText = fc
  .oneof(anyText, fc.string({ minLength: 200, maxLength: 2000 }))
  // What Node's own client agrees to send; the rest goes over raw sockets.
  .map((value) => value.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?').trim())

let before = 0
t.test('before it all', async (t) => {
  // Threads and code are loaded once; what they take is no leak.
  for (let n = 0; n < 200; n++) await post(`{"type":"echo","input":${n}}`)
  const { body } = await post('{"type":"bom-coverage","input":{"bom":"Reference,Qty,Value\\nR1,1,10k\\n"}}')
  t.equal((await ended(JSON.parse(body).statusUrl)).status, 'completed')
  before = await metric('process_resident_memory_bytes')
  t.ok(before > 0)
})

t.test('bodies that are almost JSON', async (t) => {
  const whole = fc.json({ maxDepth: 4 }).map((value) => `{"type":"echo","input":${value}}`)
  const cut = fc
    .tuple(whole, fc.nat(), fc.nat())
    .map(([body, from, to]) => body.slice(from % body.length) + body.slice(0, to % body.length))
  const mutated = fc
    .tuple(whole, fc.nat(), fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }))
    .map(([body, at, junk]) => body.slice(0, at % body.length) + junk + body.slice((at % body.length) + 1))
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))

  await always<string | Buffer>(t, 1200, fc.oneof(cut, mutated, bytes, anyText), async (body) => {
    const answer = await post(body)
    must(isAnswered(answer), answer)
  })
})

t.test('bodies of every shape', async (t) => {
  const key = fc.oneof(
    fc.constantFrom('type', 'input', 'priority', '__proto__', 'constructor', 'toString'),
    anyText
  )
  const value = fc.jsonValue({ maxDepth: 5 })
  const anything = fc.oneof(
    fc.dictionary(key, value, { maxKeys: 6 }),
    fc.record({
      type: fc.oneof(fc.constantFrom('echo', 'bom-coverage'), anyText),
      input: value,
      priority: value
    }),
    fc.record({ type: fc.constant('echo'), input: value }),
    fc.record({ type: fc.constant('bom-coverage'), input: fc.dictionary(key, value, { maxKeys: 4 }) }),
    value
  )

  await always(t, 1000, anything, async (body) => {
    const answer = await post(JSON.stringify(body))
    must(isAnswered(answer), answer)
  })
})

t.test('prototypes cannot be reached', async (t) => {
  const poison = fc.constantFrom(
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"\\u005f_proto__":{"polluted":true}}',
    '{"a":[{"__proto__":null}]}'
  )
  const wrap = fc.constantFrom(
    (inner: string) => inner,
    (inner: string) => `{"type":"echo","input":${inner}}`,
    (inner: string) => `{"type":"echo","input":[[${inner}]]}`
  )

  await always(t, 100, fc.tuple(poison, wrap), async ([inner, around]) => {
    const answer = await post(around(inner))
    must(answer.status === 400 && isAnswered(answer), answer)
  })
})

t.test('nesting without end', async (t) => {
  const pairs = fc.constantFrom(['[', ']'], ['{"a":', '}'], ['[{"b":[', ']}]'], ['[', ''])
  const depth = fc.oneof(fc.integer({ min: 60, max: 70 }), fc.integer({ min: 1_000, max: 200_000 }))

  await always(t, 100, fc.tuple(pairs, depth), async ([[open, close], levels]) => {
    const nested = `${open?.repeat(levels)}1${close?.repeat(levels)}`
    const answer = await post(`{"type":"echo","input":${nested}}`)
    must(isAnswered(answer) && (levels < 64 || answer.status === 400), answer)
  })
})

t.test('bodies larger than allowed', async (t) => {
  const tooLarge = await post(Buffer.alloc(17 * 1024 * 1024, ' ')).catch((error) => ({
    status: 413, // the connection was cut while we wrote, which is an answer too
    body: JSON.stringify({ statusCode: 413, code: error.code, message: '' }),
    headers: {}
  }))
  const manyKeys = await post(
    `{"type":"echo","input":{${Array.from({ length: 500_000 }, (_, n) => `"k${n}":${n}`).join(',')}}}`,
    { 'idempotency-key': 'many' }
  )
  const longKey = await post(`{"type":"echo","input":1,"${'k'.repeat(1_000_000)}":1}`)
  const longNumber = await post(`{"type":"echo","input":${'9'.repeat(1_000_000)}}`)
  const longText = await post(`{"type":"${'e'.repeat(5_000_000)}","input":1}`)

  t.equal(tooLarge.status, 413)
  t.ok(isAnswered(manyKeys), manyKeys.body.slice(0, 200))
  for (const answer of [longKey, longText]) t.equal(answer.status, 400)
  t.ok(isAnswered(longNumber), longNumber.body.slice(0, 200))
})

t.test('ids that are none', async (t) => {
  const id = fc
    .oneof(anyText, fc.uuid(), fc.string({ minLength: 900, maxLength: 3000 }))
    .map((value) => encodeURIComponent(value.toWellFormed()))
  const calls = fc.constantFrom(
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/cancel'],
    ['GET', '/stream'],
    ['HEAD', '']
  )

  await always(t, 800, fc.tuple(id, calls), async ([taskId, [method = '', suffix = '']]) => {
    const answer = await send(method, `/api/tasks/${taskId}${suffix}`)
    // An empty id, or one that is a dot, is another route.
    must(answer.status >= 200 && answer.status < 500, answer)
    if (method !== 'HEAD') must(isAnswered(answer), answer)
  })
})

t.test('paths that are not well formed', async (t) => {
  const path = fc
    .string({ unit: 'grapheme-ascii', maxLength: 80 })
    .map((value) => `/${value.replace(/[\s\x7f]/g, '%')}`)

  await always(
    t,
    400,
    fc.tuple(fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'OPTIONS'), path),
    async ([method, p]) => {
      const answer = await send(method, p)
      must((answer.status >= 300 && answer.status < 400) || isAnswered(answer), answer)
    }
  )
})

t.test('Last-Event-IDs that are none', async (t) => {
  const posted = await post('{"type":"echo","input":1}')
  t.equal(posted.status, 202, posted.body.slice(0, 200))
  const { streamUrl } = JSON.parse(posted.body)
  const first = await send('GET', streamUrl)
  // Read at once, while it is kept; each stream is finite.
  t.match(first.body, /task_completed/)
  const held = JSON.parse((await post('{"type":"echo","input":2}')).body).streamUrl

  await always(t, 400, fc.oneof(headerText, fc.integer().map(String)), async (lastEventId) => {
    const answer = await send('GET', held, { 'last-event-id': lastEventId })
    must([200, 204, 404].includes(answer.status), answer)
    // Kept for a second only, the task may go between the answer's headers and its events.
    if (answer.status === 200 && !/task_completed/.test(answer.body)) {
      must((await send('GET', held)).status === 404, answer)
    }
  })
})

t.test('queries that make no sense', async (t) => {
  const name = fc.oneof(fc.constantFrom('status', 'type', 'limit', 'cursor', '__proto__'), anyText)
  const value = fc.oneof(anyText, fc.integer().map(String), fc.double().map(String), fc.base64String())
  const query = fc
    .array(fc.tuple(name, value), { maxLength: 4 })
    .map((pairs) =>
      pairs
        .map(([n, v]) => `${encodeURIComponent(n.toWellFormed())}=${encodeURIComponent(v.toWellFormed())}`)
        .join('&')
    )

  await always(t, 600, query, async (search) => {
    const answer = await send('GET', `/api/tasks?${search}`)
    must(isAnswered(answer), answer)
  })
})

t.test('content types that are not JSON', async (t) => {
  const contentType = fc.oneof(
    headerText,
    fc.constantFrom(
      'text/plain',
      'application/xml',
      'multipart/form-data',
      'application/json; charset=\u00ff',
      ';',
      '/'
    )
  )

  await always(t, 300, contentType, async (type) => {
    const answer = await send('POST', '/api/tasks', { 'content-type': type }, '{"type":"echo","input":1}')
    must(isAnswered(answer) && (answer.status !== 202 || /json/i.test(type)), answer)
  })
})

t.test('idempotency keys of every kind', async (t) => {
  await always(t, 300, fc.tuple(headerText, fc.jsonValue({ maxDepth: 2 })), async ([key, input]) => {
    const answer = await post(JSON.stringify({ type: 'echo', input }), { 'idempotency-key': key })
    must(isAnswered(answer), answer)
  })
})

t.test('what is not HTTP at all', async (t) => {
  const line = fc.constantFrom(
    'GET /healthz HTTP/1.1',
    'POST /api/tasks HTTP/1.1',
    'GET /api/tasks HTTP/1.0',
    'PRI * HTTP/2.0',
    'CONNECT x:1 HTTP/1.1',
    'GET http://evil/ HTTP/1.1'
  )
  const header = fc.oneof(
    fc.constantFrom(
      'Host: x',
      'Content-Length: 5',
      'Content-Length: -1',
      'Content-Length: 99999999999999999999',
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: xchunked',
      'Connection: upgrade\r\nUpgrade: websocket',
      'Expect: 100-continue',
      'Expect: the-unexpected',
      'Content-Type: application/json'
    ),
    fc.string({ unit: 'binary', maxLength: 40 })
  )
  const message = fc
    .tuple(line, fc.array(header, { maxLength: 6 }), fc.string({ unit: 'binary', maxLength: 60 }))
    .map(([first, headers, rest]) => Buffer.from([first, ...headers, '', rest].join('\r\n')))
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((array) => Buffer.from(array))

  await always<Buffer>(t, 500, fc.oneof(message, bytes), async (sent) => {
    const answer = await raw(sent)
    if (statuses(answer).some((status) => status >= 500)) throw new Error(answer.slice(0, 500))
  })
})

t.test('headers of a megabyte', async (t) => {
  const large = 'x'.repeat(1024 * 1024)
  for (const head of [
    `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: ${large}\r\n\r\n`,
    `GET /healthz HTTP/1.1\r\nHost: x\r\n${'X-Many: 1\r\n'.repeat(100_000)}\r\n`,
    `GET /${large} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET /healthz HTTP/1.1\r\nHost: x\r\n${large}: 1\r\n\r\n`,
    `POST /api/tasks HTTP/1.1\r\nHost: x\r\nIdempotency-Key: ${large}\r\nContent-Length: 0\r\n\r\n`
  ]) {
    const answer = await raw(head, false)
    // Hung up on while we still write, the answer may be lost on its way.
    for (const status of statuses(answer)) t.ok(status >= 400 && status < 500, String(status))
  }
  t.equal((await send('GET', '/healthz')).status, 200)
})

t.test('bodies that never arrive hold nobody up', async (t) => {
  const slow: Socket[] = []
  for (let n = 0; n < 100; n++) {
    inputs++
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    await once(socket, 'connect')
    const head = `POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`
    const parts = [
      'POST /api',
      head,
      `${head}Content-Length: 1000\r\n\r\n{"type":`,
      `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"typ`
    ]
    socket.write(String(parts[n % parts.length]))
    slow.push(socket)
  }
  t.teardown(() => {
    for (const socket of slow) socket.destroy()
  })

  const { body, status } = await post('{"type":"echo","input":"meanwhile"}')
  t.equal(status, 202, body.slice(0, 200))
  t.equal((await ended(JSON.parse(body).statusUrl)).status, 'completed')

  for (const socket of slow) socket.destroy()
  t.equal((await send('GET', '/readyz')).body, 'ok')
})

t.test('clients that leave in the middle of everything', async (t) => {
  await always(t, 200, fc.nat({ max: 160 }), async (length) => {
    inputs++
    const whole = `POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n{"type":"echo","input":1}`
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(whole.slice(0, length + 1))
    cut(socket)
  })
})

t.test('bills of materials that are none', async (t) => {
  const cell = fc.oneof(
    fc.constantFrom(
      '',
      '"',
      '""',
      '"unclosed',
      '\u0000',
      '\ufeff',
      'R1',
      'R1-R99999999999',
      '1e999',
      '-1',
      'R1,R2',
      '=1+1'
    ),
    fc.string({ unit: 'binary', maxLength: 20 })
  )
  const header = fc.constantFrom(
    'Reference,Qty,Value',
    'Designator;Quantity;Comment',
    'Ref\tQnty\tValue',
    '',
    '"',
    'a,b,c'
  )
  const csv = fc
    .tuple(
      header,
      fc.constantFrom(',', ';', '\t', '|'),
      fc.constantFrom('\n', '\r\n', '\r', '\u0000'),
      fc.array(fc.array(cell, { maxLength: 6 }), { maxLength: 8 })
    )
    .map(([head, delimiter, lineEnd, rows]) =>
      [head, ...rows.map((row) => row.join(delimiter))].join(lineEnd)
    )

  await always(t, 250, fc.tuple(csv, fc.option(csv, { nil: undefined })), async ([bom, stock]) => {
    const answer = await post(JSON.stringify({ type: 'bom-coverage', input: { bom, stock } }))
    must(answer.status === 202, answer)
    const task = await ended(JSON.parse(answer.body).statusUrl)
    const known = task.status === 'completed' || /^(BOM|STOCK)_[A-Z0-9_]+$/.test(task.error?.code ?? '')
    if (!known) throw new Error(JSON.stringify(task))
  })
})

t.test('bills of materials beyond all measure', async (t) => {
  const million = 1_000_000
  const boms: Record<string, object> = {
    'a million columns': { bom: `${'Reference,'.repeat(million / 2)}\n${'R1,'.repeat(million / 2)}` },
    'a million empty columns': { bom: `Reference,Qty,Value${','.repeat(million)}\nR1,1,10k` },
    'a million lines': { bom: `Reference,Qty,Value\n${'R1,1,10k\n'.repeat(800_000)}` },
    'an unclosed quote': { bom: `Reference,Qty,Value\n"R1,1,10k\n${'R2,1,10k\n'.repeat(500_000)}` },
    'nothing but quotes': { bom: '"'.repeat(5 * million) },
    'nothing but NUL': { bom: '\u0000'.repeat(million) },
    'a range without end': { bom: 'Reference,Qty,Value\nR1-R999999999,1,10k\n' },
    'many ranges': { bom: `Reference,Qty,Value\n${'"R1-R9999, C1-C9999",1,10k\n'.repeat(10_000)}` },
    'a line of a million designators': { bom: `Reference,Qty,Value\n"${'R1 '.repeat(million)}",1,10k\n` },
    'base64 that is none': { bomBase64: '*'.repeat(million) },
    'bytes that are no text': { bomBase64: Buffer.alloc(million, 0xff).toString('base64') },
    'a stock of nothing': { bom: 'Reference,Qty,Value\nR1,1,10k\n', stock: ','.repeat(million) }
  }

  for (const [what, input] of Object.entries(boms)) {
    const answer = await post(JSON.stringify({ type: 'bom-coverage', input }))
    t.equal(answer.status, 202, `${what}: ${answer.body.slice(0, 200)}`)
    if (answer.status !== 202) continue
    const { status, error } = await ended(JSON.parse(answer.body).statusUrl)
    t.match(
      { status, code: error?.code },
      status === 'completed' ? {} : { status: 'failed', code: /^(BOM|STOCK|TASK)_/ },
      what
    )
    t.not(error?.code, 'TASK_WORKER_CRASHED', what)
  }
})

t.test('after it all the process is as it was', async (t) => {
  t.ok(inputs >= 5000, `${inputs} inputs`)
  t.equal(dead, false)
  t.same(
    server.lines.filter(({ level }) => level >= 50).map(({ msg, err }) => ({ msg, err })),
    [],
    'no error was logged'
  )
  t.same(
    server.lines.filter(({ status }) => Number(status) >= 500).slice(0, 5),
    [],
    'nothing was answered 5xx'
  )

  t.equal((await send('GET', '/readyz')).body, 'ok')
  const { body } = await post('{"type":"echo","input":"after all"}')
  t.match(await ended(JSON.parse(body).statusUrl), { status: 'completed', result: 'after all' })
  t.equal(await metric('task_sse_streams'), 0)
  t.equal(await metric('task_active_executions'), 0)
  t.equal(await metric('task_pending'), 0)
  const collected = await post('{"type":"collect","input":{}}')
  t.equal((await ended(JSON.parse(collected.body).statusUrl)).status, 'completed')
  const heap = mebibytes(await metric('nodejs_heap_size_used_bytes'))
  const grown = mebibytes((await metric('process_resident_memory_bytes')) - before)
  t.ok(heap < 60, `${heap} MiB of heap are used`)
  t.ok(grown < 500, `resident memory grew by ${grown} MiB`)
  t.comment(`${inputs} inputs, resident memory grew by ${grown} MiB, ${heap} MiB of heap are used`)

  server.child.kill('SIGTERM')
  t.same(await server.exited, [0, null])
})
