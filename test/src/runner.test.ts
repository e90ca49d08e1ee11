import t, { type Test } from 'tap'
import { type Isolation, isolations } from '../../src/task.ts'
import { heldTask, inlineType, startApp } from '../helper.ts'
import {
  appOf,
  cancel,
  ended,
  follow,
  loggedApp,
  metric,
  modules,
  progressed,
  record,
  start
} from '../run-tasks.ts'

// Threads and processes start slowly on a busy machine.
t.setTimeout(600_000)

/** What holds wherever a task runs. */
function runnerSuite(t: Test, isolation: Isolation) {
  const appWith = appOf(isolation)

  t.test('a task runs where its isolation says, with its input, and gives the result back', async (t) => {
    const app = await appWith(t, {
      where: `const { isMainThread } = await import('node:worker_threads')
      return { input, isMainThread, pid: process.pid, attempt: ctx.attempt, taskId: ctx.taskId }`
    })

    const taskId = await start(app, 'where', { a: [1, { b: null }] })
    const { names, task } = await ended(app, taskId)

    t.same(names, ['task_started', 'task_completed'])
    t.match(task, { status: 'completed', attempt: 1 })
    const { pid, isMainThread, ...rest } = task.result as { pid: number; isMainThread: boolean }
    t.equal(isMainThread, isolation !== 'thread')
    t.equal(pid === process.pid, isolation !== 'process')
    t.same(rest, { input: { a: [1, { b: null }] }, attempt: 1, taskId })
  })

  t.test('a task that heeds its signal is not killed', async (t) => {
    const app = await appWith(
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
    const app = await appWith(t, {
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
    const app = await appWith(t, {
      'fails-late': `ctx.progress(0.1); ctx.progress(0.9, 'just before'); throw new Error('no')`
    })

    const { events } = await ended(app, await start(app, 'fails-late'))

    t.match(events.slice(-2), [
      { event: 'progress_update', data: { value: 0.9, text: 'just before' } },
      { event: 'task_failed', data: { code: 'TASK_FAILED', message: 'no' } }
    ])
  })

  t.test('10,000 calls of progress make few events', async (t) => {
    const app = await appWith(t, {
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
    const app = await appWith(t, { odd: 'ctx.progress(0.5, input); return input' })

    const { events, task } = await ended(app, await start(app, 'odd', text))

    t.same(events[1]?.data, { value: 0.5, text })
    t.same(task.progress, { value: 0.5, text })
    t.equal(task.result, text)
  })

  t.test('each attempt starts with no progress, and with the last checkpoint', async (t) => {
    const app = await appWith(
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
    const app = await appWith(
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
    const app = await appWith(t, {
      hoarder: `const code = await ctx.checkpoint('x'.repeat(5 * 1024 * 1024)).catch(error => error.code)
      return code`
    })

    const { task } = await ended(app, await start(app, 'hoarder'))

    t.match(task, { status: 'completed', result: 'TASK_CHECKPOINT_TOO_LARGE' })
  })

  t.test('attempts are counted and backoffSeconds lie between them', async (t) => {
    const app = await appWith(
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
    const app = await appWith(
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
    const app = await appWith(t, {
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

  t.test('what a task throws becomes its error', async (t) => {
    const app = await appWith(t, {
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

  t.test("a task's log lines are in the service's log, with the task they come from", async (t) => {
    const dir = t.testdir(
      modules(isolation, {
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

    const said = lines.filter(
      (line) => line.taskId === taskId && line.attempt === 1 && line.type === 'talker'
    )

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
      modules(isolation, {
        careless: `ctx.log.info({ fn: () => {}, signal: ctx.signal, promise: Promise.resolve() }, 'odd fields')
        return 'done'`
      })
    )
    const { app } = await loggedApp(t, { TASKS_DIR: dir })

    const { task } = await ended(app, await start(app, 'careless'))

    t.match(task, { status: 'completed', result: 'done' })
  })
}

for (const isolation of isolations) t.test(isolation, async (t) => runnerSuite(t, isolation))

t.test('beyond TASK_TIMEOUT a task is cancelled for its timeout', async (t) => {
  const forever = `ctx.progress(0.1)
    await new Promise((_resolve, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)))`
  const held = heldTask()
  const app = await startApp(t, {
    env: { TASK_TIMEOUT: '0.2', TASKS_DIR: t.testdir(modules('process', { forever })) },
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

t.test(
  'an inline task that ignores its signal has an outcome after CANCEL_GRACE, and what it does late has no effect',
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
