import { Writable } from 'node:stream'
import { BroadcastChannel } from 'node:worker_threads'
import pino from 'pino'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { readSettings } from '../../src/config.ts'
import type { TaskRecord } from '../../src/task.ts'
import { heldTask, inlineType, startApp } from '../helper.ts'

type App = Awaited<ReturnType<typeof startApp>>

// Threads and processes start slowly on a busy machine.
t.setTimeout(180_000)

interface Event {
  id: number
  event: string
  at: number
  data: unknown
}

/** Task types for threads, one module each; what follows `{` in their run function. */
const modules = (bodies: Record<string, string>, policies: Record<string, string> = {}) =>
  Object.fromEntries(
    Object.entries(bodies).map(([type, body]) => [
      `${type}.mjs`,
      `export default {
        type: '${type}', description: 'For a test.', input: {}, ${policies[type] ?? ''}
        async run (input, ctx) { ${body} }
      }`
    ])
  )

const threads = (t: Test, bodies: Record<string, string>, env: Record<string, string> = {}, policies = {}) =>
  startApp(t, { env: { TASKS_DIR: t.testdir(modules(bodies, policies)), ...env } })

async function start(app: App, type: string, input: unknown = {}): Promise<string> {
  const response = await app.inject({ method: 'POST', url: '/api/tasks', payload: { type, input } })
  if (response.statusCode !== 202) throw new Error(`not accepted: ${response.body}`)
  return response.json().taskId
}

const record = async (app: App, taskId: string): Promise<TaskRecord> =>
  (await app.inject(`/api/tasks/${taskId}`)).json()

/** A task's events as they come, to its end. */
async function* follow(app: App, taskId: string): AsyncGenerator<Event, void> {
  const events = await app.tasks.events(taskId, undefined, new AbortController().signal)
  if (events === 'ended') return
  for await (const batch of events) {
    for (const { id, json } of batch) {
      const { type, timestamp, data } = JSON.parse(json)
      yield { id: Number(id), event: type, at: Date.parse(timestamp), data }
    }
  }
}

/** All events of a task, once it has ended, and its record. */
async function ended(app: App, taskId: string) {
  const events: Event[] = []
  for await (const event of follow(app, taskId)) events.push(event)
  return { events, names: events.map(({ event }) => event), task: await record(app, taskId) }
}

/** Waits for the task's n-th progress, which is how a thread says how far it is. */
async function progressed(app: App, taskId: string, n = 1): Promise<void> {
  for await (const { event } of follow(app, taskId)) {
    if (event === 'progress_update' && --n === 0) return
    if (/completed|failed|cancelled/.test(event)) throw new Error(`ended with ${event}`)
  }
}

const cancel = (app: App, taskId: string) =>
  app.inject({ method: 'POST', url: `/api/tasks/${taskId}/cancel` })

async function metric(app: App, name: string): Promise<number | undefined> {
  const line = (await app.inject('/metrics')).body.split('\n').find((text) => text.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length))
}

/** Lets all threads go that wait for that word. */
function say(t: Test, word: string) {
  const channel = new BroadcastChannel(word)
  channel.postMessage('go')
  t.teardown(() => channel.close())
}

const waitFor = (word: string) =>
  `await new Promise(resolve => { const c = new BroadcastChannel('${word}'); c.onmessage = () => { c.close(); resolve() }; ctx.progress(0.1, 'waits') });`

t.test('a thread runs the task with its input and gives the result back', async (t) => {
  const app = await threads(t, {
    thread: `const { isMainThread } = await import('node:worker_threads'); return { input, isMainThread, attempt: ctx.attempt, taskId: ctx.taskId }`
  })

  const taskId = await start(app, 'thread', { a: [1, { b: null }] })
  const { names, task } = await ended(app, taskId)

  t.same(names, ['task_started', 'task_completed'])
  t.match(task, { status: 'completed', attempt: 1 })
  t.same(task.result, { input: { a: [1, { b: null }] }, isMainThread: false, attempt: 1, taskId })
})

t.test('a thread that crashes fails its task and nothing else', async (t) => {
  const app = await threads(
    t,
    {
      exits: 'process.exit(0)',
      'exits-badly': 'process.exit(7)',
      'throws-later': `await new Promise(() => setTimeout(() => { throw new Error('in a timer') }, 1))`,
      'rejects-later': `Promise.reject(new Error('unhandled')); await new Promise(() => {})`,
      'throws-later-odd': 'await new Promise(() => setTimeout(() => { throw null }, 1))',
      patient: `${waitFor('patient')} return 'unharmed'`
    },
    { MAX_WORKERS: '2' }
  )
  const patient = await start(app, 'patient')
  await progressed(app, patient)

  for (const type of ['exits', 'exits-badly', 'throws-later', 'rejects-later', 'throws-later-odd']) {
    const { names, task } = await ended(app, await start(app, type))
    t.same(names, ['task_started', 'task_failed'], type)
    t.match(task, { status: 'failed', error: { code: 'TASK_WORKER_CRASHED', message: /./ } }, type)
    t.equal((await record(app, patient)).status, 'running')
  }
  say(t, 'patient')
  const { task, names } = await ended(app, patient)
  t.match(task, { status: 'completed', result: 'unharmed', attempt: 1 })
  t.same(names, ['task_started', 'progress_update', 'task_completed'])
  t.equal(await metric(app, 'task_active_executions'), 0)
})

t.test('a thread that runs out of memory fails its task and nothing else', async (t) => {
  const app = await threads(
    t,
    {
      greedy: 'const kept = []; for (;;) kept.push(new Array(1000).fill(Math.random()))',
      modest: 'return input.n + 1'
    },
    { WORKER_MEMORY_LIMIT: '32' }
  )

  const { task } = await ended(app, await start(app, 'greedy'))
  const { task: next } = await ended(app, await start(app, 'modest', { n: 1 }))

  t.match(task, { status: 'failed', error: { code: 'TASK_WORKER_CRASHED', message: /memory/i } })
  t.match(next, { status: 'completed', result: 2 })
})

t.test('what a finished task left behind in its thread does not harm the service', async (t) => {
  const app = await threads(
    t,
    {
      untidy: `setTimeout(() => { throw new Error('left behind') }, 1); return 'done'`,
      tidy: 'return input'
    },
    { MAX_WORKERS: '1' }
  )

  const { task } = await ended(app, await start(app, 'untidy'))

  t.match(task, { status: 'completed', result: 'done' })
  // The timer fires while a thread is idle or starts the next one; tasks that come after it are unharmed.
  const thread = await start(app, 'tidy', 0)
  await ended(app, thread)
  const { task: last } = await ended(app, await start(app, 'tidy', 1))
  t.match(last, { status: 'completed', result: 1 })
})

t.test('a thread that spins is terminated after CANCEL_GRACE and its slot is free', async (t) => {
  const app = await threads(
    t,
    { spin: 'ctx.progress(0.1); for (;;);', next: 'return 2' },
    { MAX_WORKERS: '1', CANCEL_GRACE: '0.2' }
  )
  const taskId = await start(app, 'spin')
  await progressed(app, taskId)
  const next = await start(app, 'next')
  const before = performance.now()

  const response = await cancel(app, taskId)

  t.match(response.json(), { status: 'running' })
  const { task, names } = await ended(app, taskId)
  t.ok(performance.now() - before >= 195, 'not before')
  t.match(task, { status: 'cancelled', cancelReason: 'client' })
  t.same(names, ['task_started', 'progress_update', 'task_cancelled'])
  t.match((await ended(app, next)).task, { status: 'completed', result: 2 })
  t.equal(await metric(app, 'task_force_terminated_total{type="spin"}'), 1)
})

t.test('probes answer while every worker spins', async (t) => {
  const app = await threads(
    t,
    { spin: 'ctx.progress(0.1); for (;;);' },
    { MAX_WORKERS: '3', CANCEL_GRACE: '0' }
  )
  const ids = [await start(app, 'spin'), await start(app, 'spin'), await start(app, 'spin')]
  for (const taskId of ids) await progressed(app, taskId)

  t.equal((await app.inject('/healthz')).body, 'alive')
  t.equal((await app.inject('/readyz')).body, 'ok')
  t.equal((await app.inject(`/api/tasks/${ids[0]}`)).json().status, 'running')
  for (const taskId of ids) await cancel(app, taskId)
  for (const taskId of ids) t.equal((await ended(app, taskId)).task.status, 'cancelled')
})

t.test('a thread that heeds its signal is not terminated', async (t) => {
  const app = await threads(
    t,
    {
      heeding: `ctx.progress(0.1)
        await new Promise(resolve => ctx.signal.addEventListener('abort', resolve))
        ctx.progress(0.9, ctx.signal.reason.code)
        return 'cleaned up'`
    },
    { CANCEL_GRACE: '60' }
  )
  const taskId = await start(app, 'heeding')
  await progressed(app, taskId)

  await cancel(app, taskId)
  const { task, events } = await ended(app, taskId)

  t.match(task, { status: 'cancelled', cancelReason: 'client', progress: { value: 0.9, text: 'client' } })
  t.notOk('result' in task)
  t.equal(events.at(-1)?.event, 'task_cancelled')
  t.equal(await metric(app, 'task_force_terminated_total{type="heeding"}'), undefined)
})

t.test('progress arrives in order, the last one before the end', async (t) => {
  const app = await threads(t, {
    steps: `for (let n = 1; n <= 20; n++) {
        ctx.progress(n / 20, 'step ' + n)
        await new Promise(resolve => setTimeout(resolve, 10))
      }
      ctx.progress(1, 'last')
      return 'done'`
  })

  const { events, task } = await ended(app, await start(app, 'steps'))

  t.same(
    events.map(({ id }) => id),
    events.map((_event, n) => n + 1)
  )
  const progress = events.filter(({ event }) => event === 'progress_update').map(({ data }) => data)
  const values = progress.map((data) => (data as { value: number }).value)
  t.same(
    values,
    [...values].sort((a, b) => a - b)
  )
  t.same(progress.at(-1), { value: 1, text: 'last' })
  t.equal(events.at(-2)?.event, 'progress_update')
  t.equal(events.at(-1)?.event, 'task_completed')
  t.same(task.progress, { value: 1, text: 'last' })
})

t.test('the last progress is sent before the end also when a task throws', async (t) => {
  const app = await threads(t, {
    'fails-late': `ctx.progress(0.1); ctx.progress(0.9, 'just before'); throw new Error('no')`
  })

  const { events } = await ended(app, await start(app, 'fails-late'))

  t.match(events.slice(-2), [
    { event: 'progress_update', data: { value: 0.9, text: 'just before' } },
    { event: 'task_failed', data: { code: 'TASK_FAILED', message: 'no' } }
  ])
})

t.test('10,000 calls of progress make few events', async (t) => {
  const app = await threads(t, {
    chatty: `const start = performance.now()
      for (let n = 1; n <= 10_000; n++) ctx.progress(n / 10_000, 'step ' + n)
      return performance.now() - start`
  })

  const { events, task } = await ended(app, await start(app, 'chatty'))

  const count = events.length - 2
  t.ok(count >= 1 && count <= 2 + Number(task.result) / 50, `${count} in ${task.result} ms`)
  t.match(events.at(-2)?.data, { value: 1, text: 'step 10000' })
})

t.test('progress with odd characters comes back as it was', async (t) => {
  const text = 'a\u0000b Ω \ud83d\ude00 "quoted" \\ \n\r\u2028'
  const app = await threads(t, { odd: 'ctx.progress(0.5, input); return input' })

  const { events, task } = await ended(app, await start(app, 'odd', text))

  t.same(events[1]?.data, { value: 0.5, text })
  t.same(task.progress, { value: 0.5, text })
  t.equal(task.result, text)
})

t.test('each attempt starts with no progress, and with the last checkpoint', async (t) => {
  const app = await threads(
    t,
    {
      stubborn: `const done = ctx.restored?.done ?? 0
        ctx.progress((done + 1) / 10)
        await ctx.checkpoint({ done: done + 1 })
        if (done < 2) throw new Error('again')
        return { done, attempt: ctx.attempt }`
    },
    {},
    { stubborn: 'attempts: 3,' }
  )

  const { events, names, task } = await ended(app, await start(app, 'stubborn'))

  t.same(names, [
    'task_started',
    'progress_update',
    'task_requeued',
    'task_started',
    'progress_update',
    'task_requeued',
    'task_started',
    'progress_update',
    'task_completed'
  ])
  t.same(
    events.filter(({ event }) => event === 'task_started').map(({ data }) => data),
    [{ attempt: 1 }, { attempt: 2 }, { attempt: 3 }]
  )
  t.same(events[2]?.data, { reason: 'retry', error: { code: 'TASK_FAILED', message: 'again' } })
  t.match(task, { status: 'completed', attempt: 3, result: { done: 2, attempt: 3 } })
})

t.test('only the last checkpoint counts, and an attempt that threw keeps it', async (t) => {
  const app = await threads(
    t,
    {
      saver: `if (ctx.attempt === 1) {
          for (let n = 0; n <= 50; n++) await ctx.checkpoint({ n })
          throw new Error('again')
        }
        if (ctx.attempt === 2) throw new Error('again, without a checkpoint')
        return ctx.restored`
    },
    {},
    { saver: 'attempts: 3,' }
  )

  const { task } = await ended(app, await start(app, 'saver'))

  t.same(task.result, { n: 50 })
})

t.test('a checkpoint that is too large is refused, the task may go on', async (t) => {
  const app = await threads(t, {
    hoarder: `const code = await ctx.checkpoint('x'.repeat(5 * 1024 * 1024)).catch(error => error.code)
      return code`
  })

  const { task } = await ended(app, await start(app, 'hoarder'))

  t.match(task, { status: 'completed', result: 'TASK_CHECKPOINT_TOO_LARGE' })
})

t.test('attempts are counted and backoffSeconds lie between them', async (t) => {
  const app = await threads(
    t,
    { hopeless: `throw Object.assign(new Error('attempt ' + ctx.attempt), { code: 'HOPELESS' })` },
    {},
    { hopeless: 'attempts: 3, backoffSeconds: 0.2,' }
  )

  const { events, names, task } = await ended(app, await start(app, 'hopeless'))

  t.same(names, [
    'task_started',
    'task_requeued',
    'task_started',
    'task_requeued',
    'task_started',
    'task_failed'
  ])
  t.match(task, { status: 'failed', attempt: 3, error: { code: 'HOPELESS', message: 'attempt 3' } })
  for (const n of [1, 3]) {
    const waited = Number(events[n + 1]?.at) - Number(events[n]?.at)
    t.ok(waited >= 199, `waited ${waited} ms`)
  }
  t.equal(await metric(app, 'task_requeued_total{type="hopeless",reason="retry"}'), 2)
})

t.test('a task that waits for its next attempt gives its slot on, and can be cancelled', async (t) => {
  const app = await threads(
    t,
    { slow: `throw new Error('again')`, quick: 'return 1' },
    { MAX_WORKERS: '1' },
    { slow: 'attempts: 2, backoffSeconds: 3600,' }
  )
  const taskId = await start(app, 'slow')
  for await (const { event } of follow(app, taskId)) if (event === 'task_requeued') break

  const { task } = await ended(app, await start(app, 'quick'))
  const waiting = await record(app, taskId)
  await cancel(app, taskId)

  t.equal(task.status, 'completed')
  t.match(waiting, { status: 'pending', attempt: 1 })
  t.match((await ended(app, taskId)).task, { status: 'cancelled', cancelReason: 'client', attempt: 1 })
})

t.test('results that are too large or not JSON fail their task', async (t) => {
  const app = await threads(t, {
    largest: `return 'x'.repeat(1024 * 1024 - 2)`,
    'too-large': `return 'x'.repeat(1024 * 1024 - 1)`,
    huge: `return 'x'.repeat(50 * 1024 * 1024)`,
    'big-int': 'return { count: 1n }',
    cycle: 'const cycle = {}; cycle.self = cycle; return cycle',
    'a-function': 'return () => {}'
  })
  const end = async (type: string) => (await ended(app, await start(app, type))).task

  t.match(await end('largest'), { status: 'completed' })
  t.match(await end('too-large'), { status: 'failed', error: { code: 'TASK_RESULT_TOO_LARGE' } })
  t.match(await end('huge'), { status: 'failed', error: { code: 'TASK_RESULT_TOO_LARGE' } })
  t.match(await end('big-int'), { status: 'failed', error: { code: 'TASK_RESULT_INVALID' } })
  t.match(await end('cycle'), { status: 'failed', error: { code: 'TASK_RESULT_INVALID' } })
  t.match(await end('a-function'), { status: 'completed', result: null })
})

t.test('what a thread throws becomes its error', async (t) => {
  const app = await threads(t, {
    coded: `throw Object.assign(new Error('no such part'), { code: 'PART_UNKNOWN' })`,
    plain: `throw new RangeError('oops')`,
    text: `throw 'just text'`,
    nothing: 'throw undefined',
    object: `throw { code: 'PLAIN', message: 'object' }`,
    symbol: `throw Symbol('thrown')`,
    hostile: `throw { get code () { throw new Error('in the getter') } }`
  })
  const end = async (type: string) => (await ended(app, await start(app, type))).task.error

  t.same(await end('coded'), { code: 'PART_UNKNOWN', message: 'no such part' })
  t.same(await end('plain'), { code: 'TASK_FAILED', message: 'oops' })
  t.match(await end('text'), { code: 'TASK_FAILED', message: /just text/ })
  t.match(await end('nothing'), { code: 'TASK_FAILED', message: /./ })
  t.same(await end('object'), { code: 'PLAIN', message: 'object' })
  t.match(await end('symbol'), { code: 'TASK_FAILED', message: /thrown/ })
  t.match(await end('hostile'), { code: 'TASK_FAILED' })
})

t.test('an inline task that throws something hostile fails, and the process lives', async (t) => {
  const hostile = inlineType({
    type: 'hostile',
    run: () => {
      throw {
        get code() {
          throw new Error('in the getter')
        }
      }
    }
  })
  const app = await startApp(t, { types: [hostile] })

  const { task } = await ended(app, await start(app, 'hostile'))

  t.match(task, { status: 'failed', error: { code: 'TASK_FAILED' } })
})

/** An app that logs into an array; `logged` resolves with the first line that passes. */
async function loggedApp(t: Test, env: Record<string, string>) {
  const lines: Record<string, unknown>[] = []
  const watchers = new Set<() => void>()
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)))
      for (const watch of watchers) watch()
      done()
    }
  })
  const settings = readSettings({
    TASK_STORE_URL: 'sqlite::memory:',
    GRACEFUL_SHUTDOWN_TIMEOUT: '0',
    CANCEL_GRACE: '0.1',
    ...env
  })
  const app = await buildApp({ settings, logger: pino({ level: 'debug', base: null }, sink) })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const logged = async (passes: (line: Record<string, unknown>) => boolean) => {
    for (;;) {
      const line = lines.find(passes)
      if (line) return line
      await new Promise<void>((resolve) => {
        const watch = () => {
          watchers.delete(watch)
          resolve()
        }
        watchers.add(watch)
      })
    }
  }
  return { app, lines, logged }
}

t.test("a thread's log lines cross into the service's log, with the task they come from", async (t) => {
  const dir = t.testdir(
    modules({
      talker: `ctx.log.debug('whispers')
        ctx.log.info({ part: 'R1', nested: { ohm: [1, 2] } }, 'looks')
        ctx.log.warn({ part: 'R2' })
        ctx.log.error({ err: new Error('inside') }, 'fails')`
    })
  )
  const { app, lines, logged } = await loggedApp(t, { TASKS_DIR: dir })
  const taskId = await start(app, 'talker')
  await ended(app, taskId)
  await logged(({ msg }) => msg === 'fails')

  const said = lines.filter((line) => line.taskId === taskId && line.attempt === 1 && line.type === 'talker')

  t.match(
    said.filter(({ msg, part }) => /whispers|looks|fails/.test(String(msg)) || part === 'R2'),
    [
      { level: 20, msg: 'whispers' },
      { level: 30, msg: 'looks', part: 'R1', nested: { ohm: [1, 2] } },
      { level: 40, part: 'R2' },
      { level: 50, msg: 'fails', err: { message: 'inside' } }
    ]
  )
})

t.test('a log line that cannot cross does not fail its task', async (t) => {
  const dir = t.testdir(
    modules({
      careless: `ctx.log.info({ fn: () => {}, signal: ctx.signal, promise: Promise.resolve() }, 'odd fields')
        return 'done'`
    })
  )
  const { app } = await loggedApp(t, { TASKS_DIR: dir })

  const { task } = await ended(app, await start(app, 'careless'))

  t.match(task, { status: 'completed', result: 'done' })
})

t.test('beyond TASK_TIMEOUT a task is cancelled for its timeout', async (t) => {
  const forever = `ctx.progress(0.1)
    await new Promise((_resolve, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)))`
  const held = heldTask()
  const app = await startApp(t, {
    env: { TASK_TIMEOUT: '0.2', TASKS_DIR: t.testdir(modules({ forever })) },
    types: [
      inlineType({
        type: 'endless',
        timeoutSeconds: 0.2,
        run: (_input, { signal }) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      }),
      held.type
    ]
  })
  const own = await start(app, 'held')
  const run = await held.started()

  for (const type of ['forever', 'endless']) {
    const { task, events } = await ended(app, await start(app, type))
    t.match(task, { status: 'cancelled', cancelReason: 'timeout' }, type)
    t.match(events.at(-1), { event: 'task_cancelled', data: { reason: 'timeout' } })
    t.ok(Number(events.at(-1)?.at) - Number(events[0]?.at) >= 199)
  }
  t.equal((await record(app, own)).status, 'running', "a type's own limit goes before")
  run.release()
})

t.test('a thread that spins beyond its time limit is terminated', async (t) => {
  const app = await threads(
    t,
    { spin: 'for (;;);', next: 'return 1' },
    { MAX_WORKERS: '1', CANCEL_GRACE: '0.1' },
    { spin: 'timeoutSeconds: 0.1,' }
  )

  const { task } = await ended(app, await start(app, 'spin'))

  t.match(task, { status: 'cancelled', cancelReason: 'timeout' })
  t.match((await ended(app, await start(app, 'next'))).task, { status: 'completed' })
})

t.test(
  'an inline task that ignores its signal is settled after CANCEL_GRACE, and what it does late is void',
  async (t) => {
    const held: { resolve: (value: unknown) => void; ctx?: { progress(value: number, text: string): void } } =
      {
        resolve: () => {}
      }
    const deaf = inlineType({
      type: 'deaf',
      run: (_input, ctx) =>
        new Promise((resolve) => {
          Object.assign(held, { resolve, ctx })
          ctx.progress(0.1)
        })
    })
    const next = heldTask()
    const app = await startApp(t, {
      env: { MAX_WORKERS: '1', CANCEL_GRACE: '0.1' },
      types: [deaf, next.type]
    })
    const taskId = await start(app, 'deaf')
    await progressed(app, taskId)
    const waiting = await start(app, 'held')

    await cancel(app, taskId)
    const { task, names } = await ended(app, taskId)

    t.match(task, { status: 'cancelled', cancelReason: 'client' })
    t.same(names, ['task_started', 'progress_update', 'task_cancelled'])
    t.equal(await metric(app, 'task_abandoned_total{type="deaf"}'), 1)
    const run = await next.started()
    t.equal((await record(app, waiting)).status, 'running', 'its slot was given on')
    held.ctx?.progress(0.9, 'too late')
    held.resolve('too late')
    run.release('done')
    t.match((await ended(app, waiting)).task, { status: 'completed', result: 'done' })
    t.same(await record(app, taskId), task)
    t.same((await ended(app, taskId)).names, names)
  }
)

t.test('an inline task may throw at once or return at once', async (t) => {
  const app = await startApp(t, {
    types: [
      inlineType({ type: 'returns', run: () => 5 }),
      inlineType({
        type: 'throws',
        run: () => {
          throw new Error('at once')
        }
      })
    ]
  })

  t.match((await ended(app, await start(app, 'returns'))).task, { status: 'completed', result: 5 })
  t.match((await ended(app, await start(app, 'throws'))).task, {
    status: 'failed',
    error: { code: 'TASK_FAILED', message: 'at once' }
  })
})
