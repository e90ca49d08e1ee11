import { inspect } from 'node:util'
import t from 'tap'
import { type AbortCause, abortReason, type Report, type RunInput, runTask } from '../../src/task-context.ts'
import type { TaskContext } from '../../src/task-type.ts'

const mebibyte = 1024 * 1024

/** Runs `run` on a job and collects all that it told the service. */
async function runWith(run: (input: unknown, ctx: TaskContext) => unknown, job: Partial<RunInput> = {}) {
  const reports: Report[] = []
  const checkpoints: string[] = []
  const end = await runTask(
    run,
    { taskId: 'id', attempt: 1, input: '{}', restored: undefined, ...job },
    {
      abort: new AbortController(),
      report: (report) => void reports.push(report),
      saveCheckpoint: async (state) => void checkpoints.push(state)
    }
  )
  const progress = reports.flatMap((report) => (report.kind === 'progress' ? [report] : []))
  return { end, reports, progress, checkpoints }
}

const throwing = (thrown: unknown) =>
  runWith(() => {
    throw thrown
  })

t.test('a run is given its input and what it may know', async (t) => {
  const { end } = await runWith(
    (input, { taskId, attempt, restored, signal }) => ({
      input,
      taskId,
      attempt,
      restored,
      aborted: signal.aborted
    }),
    { taskId: 'task-1', attempt: 3, input: '{"a":[1]}', restored: '{"at":7}' }
  )

  t.same(end, {
    result: '{"input":{"a":[1]},"taskId":"task-1","attempt":3,"restored":{"at":7},"aborted":false}'
  })
})

t.test('without a checkpoint nothing is restored', async (t) => {
  const { end } = await runWith((_input, { restored }) => restored === undefined)

  t.same(end, { result: 'true' })
})

t.test('a result is JSON text, nothing is null', async (t) => {
  t.same((await runWith(() => {})).end, { result: 'null' })
  t.same((await runWith(() => Promise.resolve([1]))).end, { result: '[1]' })
  t.same((await runWith(() => () => {})).end, { result: 'null' })
  t.same((await runWith(() => new Date(0))).end, { result: '"1970-01-01T00:00:00.000Z"' })
  t.same((await runWith(() => Number.NaN)).end, { result: 'null' })
})

t.test('a result may have 1 MiB', async (t) => {
  const largest = await runWith(() => 'x'.repeat(mebibyte - 2))
  const tooLarge = await runWith(() => 'x'.repeat(mebibyte - 1))
  const tooLargeInBytes = await runWith(() => 'Ω'.repeat(mebibyte / 2))

  t.ok('result' in largest.end)
  for (const { end } of [tooLarge, tooLargeInBytes])
    t.match(end, { error: { code: 'TASK_RESULT_TOO_LARGE', message: /1048576/ } })
})

t.test('a result that is not JSON fails', async (t) => {
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  const hostile = {
    toJSON() {
      throw new Error('will not')
    }
  }

  for (const result of [1n, { deep: [1n] }, cycle, hostile]) {
    const { end } = await runWith(() => result)
    t.match(end, { error: { code: 'TASK_RESULT_INVALID', message: /not JSON/ } })
  }
})

t.test('a checkpoint is saved as JSON text before it resolves', async (t) => {
  const { end, checkpoints } = await runWith(async (_input, { checkpoint }) => {
    await checkpoint({ at: 1 })
    await checkpoint([2])
    return 'saved'
  })

  t.same(checkpoints, ['{"at":1}', '[2]'])
  t.same(end, { result: '"saved"' })
})

t.test('a checkpoint that is too large or not JSON is refused', async (t) => {
  const large = await runWith((_input, ctx) => ctx.checkpoint('x'.repeat(4 * mebibyte)))
  const invalid = await runWith((_input, ctx) => ctx.checkpoint({ count: 1n }))
  const caught = await runWith(async (_input, ctx) => {
    await ctx.checkpoint(1n).catch(() => {})
    return 'went on'
  })

  t.match(large.end, { error: { code: 'TASK_CHECKPOINT_TOO_LARGE' } })
  t.match(invalid.end, { error: { code: 'TASK_CHECKPOINT_INVALID' } })
  t.same([...large.checkpoints, ...invalid.checkpoints], [])
  t.same(caught.end, { result: '"went on"' })
})

t.test("a thrown error's own string code becomes the task's", async (t) => {
  const coded = (code: unknown) => Object.assign(new Error('message'), { code })

  t.match((await throwing(coded('MY_CODE'))).end, { error: { code: 'MY_CODE', message: 'message' } })
  t.match((await throwing(new TypeError('oops'))).end, { error: { code: 'TASK_FAILED', message: 'oops' } })
  for (const code of [5, null, undefined, {}, Symbol('x')])
    t.match((await throwing(coded(code))).end, { error: { code: 'TASK_FAILED' } })
  t.match((await runWith(() => Promise.reject(coded('LATER')))).end, { error: { code: 'LATER' } })
  t.match((await throwing(coded(''))).end, { error: { message: 'message' } })
})

t.test('whatever is thrown, the task fails with a code and a message', async (t) => {
  const odd = [
    'just text',
    '',
    42,
    null,
    undefined,
    true,
    1n,
    Symbol('thrown'),
    {},
    { code: 'PLAIN', message: 'object' },
    { message: 5 },
    [],
    () => {},
    Object.create(null),
    Object.freeze(new Error('frozen')),
    new AggregateError([new Error('a')], 'several'),
    new DOMException('aborted', 'AbortError')
  ]

  for (const thrown of odd) {
    const { end } = await throwing(thrown)
    t.match(end, { error: { code: /^\w+$/, message: String } }, inspect(thrown))
  }
  t.match((await throwing('just text')).end, { error: { code: 'TASK_FAILED', message: /just text/ } })
  t.same((await throwing({ code: 'PLAIN', message: 'object' })).end, {
    error: { code: 'PLAIN', message: 'object' }
  })
})

t.test('a hostile thrown thing fails its task and nothing else', async (t) => {
  const getter = {
    get code() {
      throw new Error('in the getter')
    }
  }
  const inspected = {
    [inspect.custom]() {
      throw new Error('in inspect')
    }
  }
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()

  for (const thrown of [getter, inspected, proxy])
    t.match(await throwing(thrown).catch((error) => error), { end: { error: { code: 'TASK_FAILED' } } })
})

t.test('what an error says is bounded, and its stack is kept apart from it', async (t) => {
  const { end } = await throwing(
    Object.assign(new Error(`${'m'.repeat(9_999)}\ud83d\ude00`), { code: 'C'.repeat(10_000) })
  )
  const { end: plain } = await throwing(new Error('plain'))

  t.ok('error' in end && end.error.code.length <= 1000 && end.error.message.length <= 10_000)
  t.ok('error' in end && end.error.message.isWellFormed())
  t.ok('error' in plain && 'stack' in plain)
  if (!('error' in plain)) return
  t.notMatch(JSON.stringify(plain.error), /task-context/)
  t.match(plain.stack, /^Error: plain\n.*task-context/)
})

t.test('a stack tells the causes, is bounded, and does without what cannot be read', async (t) => {
  const stackOf = async (thrown: unknown) => {
    const { end } = await throwing(thrown)
    return 'stack' in end ? (end.stack ?? '') : ''
  }
  const circular = new Error('round and round')
  circular.cause = circular
  const hostile = Object.defineProperty(new Error('hostile'), 'stack', {
    get() {
      throw new Error('no')
    }
  })

  t.match(
    await stackOf(new Error('outer', { cause: new TypeError('inner') })),
    /^Error: outer\n.*\ncaused by: TypeError: inner\n/s
  )
  t.match(await stackOf(circular), /^Error: round/)
  t.ok((await stackOf(Object.assign(new Error('long'), { stack: 's'.repeat(1_000_000) }))).length <= 20_000)
  for (const thrown of ['text', null, undefined, hostile, { stack: 5 }]) t.equal(await stackOf(thrown), '')
})

t.test('the first progress is told at once', async (t) => {
  const order: string[] = []
  await runTask(
    (_input, ctx) => {
      ctx.progress(0.5, 'half')
      order.push('called')
    },
    { taskId: 'id', attempt: 1, input: '{}', restored: undefined },
    {
      abort: new AbortController(),
      report: ({ kind }) => void order.push(kind),
      saveCheckpoint: async () => {}
    }
  )

  t.same(order, ['progress', 'called'])
})

t.test('however often progress is called, few are told, the last one always', async (t) => {
  const { progress, end } = await runWith((_input, ctx) => {
    const start = performance.now()
    for (let n = 1; n <= 10_000; n++) ctx.progress(n / 10_000, `step ${n}`)
    return performance.now() - start
  })

  const ms = 'result' in end ? Number(end.result) : Number.NaN
  t.ok(progress.length <= 2 + ms / 50, `${progress.length} in ${ms} ms`)
  t.match(progress.at(-1), { kind: 'progress', value: 1, text: 'step 10000' })
})

t.test('progress that waits is told when its time has come, without another call', async (t) => {
  const told: number[] = []
  let release = () => {}
  // The timer of a progress keeps no process alive; here nothing else does.
  const alive = setInterval(() => {}, 60_000)
  await runTask(
    (_input, ctx) => {
      ctx.progress(0.1)
      ctx.progress(0.2)
      return new Promise<void>((resolve) => {
        release = resolve
      })
    },
    { taskId: 'id', attempt: 1, input: '{}', restored: undefined },
    {
      abort: new AbortController(),
      report: (report) => {
        if (report.kind === 'progress') told.push(report.value)
        if (told.length === 2) release()
      },
      saveCheckpoint: async () => {}
    }
  )
  clearInterval(alive)

  t.same(told, [0.1, 0.2])
})

t.test('progress is between 0 and 1 and never falls', async (t) => {
  const last = async (...values: unknown[]) =>
    (
      await runWith((_input, ctx) => {
        for (const value of values) ctx.progress(value as number, String(value))
      })
    ).progress.at(-1)

  t.match(await last(0.5, 0.3), { value: 0.5, text: '0.3' })
  t.match(await last(2), { value: 1 })
  t.match(await last(-1), { value: 0 })
  t.match(await last(Number.POSITIVE_INFINITY), { value: 1 })
  t.match(await last(0.5, Number.NEGATIVE_INFINITY), { value: 0.5 })
  t.equal(await last(Number.NaN), undefined)
  for (const nonsense of ['0.5', null, undefined, {}, [1], true, 1n])
    t.equal(await last(nonsense), undefined, inspect(nonsense))
})

t.test('the text of a progress has 1,000 characters at most', async (t) => {
  const textOf = async (text: unknown) =>
    (await runWith((_input, ctx) => ctx.progress(0.5, text as string))).progress[0]?.text

  t.equal(await textOf('x'.repeat(1000)), 'x'.repeat(1000))
  t.equal(await textOf('x'.repeat(1001)), 'x'.repeat(1000))
  t.ok((await textOf(`${'x'.repeat(999)}\ud83d\ude00`))?.isWellFormed(), 'no half characters')
  t.equal(await textOf(undefined), '')
  t.equal(await textOf(5), '5')
})

t.test('a text that is no text does not fail the task', async (t) => {
  for (const text of [null, {}, [], Symbol('x'), Object.create(null)]) {
    const { end } = await runWith((_input, ctx) => {
      ctx.progress(0.5, text)
      return 'done'
    })
    t.same(end, { result: '"done"' }, inspect(text))
  }
})

t.test('progress is told before the end also when the task throws', async (t) => {
  const { progress } = await runWith((_input, ctx) => {
    ctx.progress(0.1)
    ctx.progress(0.9, 'just before')
    throw new Error('no')
  })

  t.match(progress.at(-1), { value: 0.9, text: 'just before' })
})

t.test('log lines keep their level, fields and message', async (t) => {
  const { reports } = await runWith((_input, { log }) => {
    log.debug('a message')
    log.info({ part: 'R1' })
    log.warn({ part: 'R2' }, 'short')
    log.error({ part: 'R3' }, 'missing')
  })

  t.same(reports, [
    { kind: 'log', level: 'debug', fields: {}, message: 'a message' },
    { kind: 'log', level: 'info', fields: { part: 'R1' }, message: undefined },
    { kind: 'log', level: 'warn', fields: { part: 'R2' }, message: 'short' },
    { kind: 'log', level: 'error', fields: { part: 'R3' }, message: 'missing' }
  ])
})

t.test('the reason of an abort is an AbortError whose code is its cause', async (t) => {
  for (const cause of ['client', 'timeout', 'shutdown', 'lost'] satisfies AbortCause[]) {
    const reason = abortReason(cause)
    t.type(reason, Error)
    t.match(reason, { name: 'AbortError', code: cause, message: new RegExp(cause) })
  }
})
