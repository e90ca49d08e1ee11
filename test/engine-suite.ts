/** What every engine promises; each engine's own test file runs it on its own kind of store. */
import { setMaxListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Test } from 'tap'
import t from 'tap'
import type {
  Claim,
  Engine,
  EngineHost,
  Events,
  Outcome,
  Submission,
  Submitted,
  TaskChange,
  TaskSearch
} from '../src/engine.ts'
import type { TaskEvent, TaskQuery, UnparsedRecord } from '../src/task.ts'

export interface EngineOptions {
  maxRunning: number
  maxPending: number
  retentionMs: number
  failedRetentionMs: number
}

/** Opens an engine on one and the same store, each time anew: opening again after `stop` is a restart. */
export type OpenEngine = (options: EngineOptions) => Engine

interface Attempt {
  claim: Claim
  settle: (outcome: Outcome) => void
}

const completed = (result: unknown = null): Outcome => ({
  status: 'completed',
  result: JSON.stringify(result)
})

/** A host whose runs are settled by the test; what it hears is there to be looked at and waited for. */
function testHost(
  lost: Outcome = { status: 'failed', error: { code: 'TASK_INTERRUPTED', message: 'lost' } }
) {
  const attempts: Attempt[] = []
  const settled: { taskId: string; outcome: Outcome }[] = []
  const dropped: string[] = []
  const changes: TaskChange[] = []
  let changed = () => {}
  let change = new Promise<void>((resolve) => (changed = resolve))
  const notify = () => {
    changed()
    change = new Promise<void>((resolve) => (changed = resolve))
  }
  const until = async <T>(look: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      await change
    }
  }
  const host: EngineHost = {
    limits: new Map([['limited', 2]]),
    run: (claim) =>
      new Promise((settle) => {
        attempts.push({ claim, settle })
        notify()
      }),
    lost: () => lost,
    freed: () => {},
    settled: ({ taskId }, outcome) => {
      settled.push({ taskId, outcome })
      notify()
    },
    dropped: (taskId) => {
      dropped.push(taskId)
      notify()
    },
    committed: () => {},
    changed: (change) => {
      changes.push(change)
      notify()
    },
    changesMissed: () => {}
  }
  return {
    host,
    attempts,
    settled,
    changes,
    /** The changes that the engine told, when there are as many. */
    changed: (count: number) => until(() => (changes.length >= count ? changes : undefined)),
    /** The n-th attempt that the engine started, counted from 0. */
    attempt: (n: number) => until(() => attempts[n]),
    /** The outcomes of a task, when there are as many. */
    outcomes: (taskId: string, count = 1) =>
      until(() => {
        const mine = settled.filter((entry) => entry.taskId === taskId).map(({ outcome }) => outcome)
        return mine.length >= count ? mine : undefined
      })
  }
}

/** Reports progress as a runner does: whoever cannot write it says so elsewhere. */
function report(claim: Claim, value: number, text: string): void {
  claim.progress(value, text, Date.now()).catch(() => {})
}

const never = () => new AbortController().signal

async function* flatten(events: Events): AsyncGenerator<TaskEvent> {
  for await (const batch of events) yield* batch
}

/** All events of a task up to its final one. */
async function history(engine: Engine, taskId: string, after?: string): Promise<TaskEvent[]> {
  const events = await engine.follow(taskId, after, never())
  const all: TaskEvent[] = []
  if (events !== 'ended') for await (const event of flatten(events)) all.push(event)
  return all
}

/** Reads a task that has begun until it is silent; `ended` resolves when there will be nothing more. */
async function follow(engine: Engine, taskId: string, signal: AbortSignal) {
  const events = await engine.follow(taskId, undefined, signal)
  if (events === 'ended') throw new Error('the task has ended')
  const batches = events[Symbol.asyncIterator]()
  await batches.next() // task_started
  return { ended: batches.next().catch(() => {}) } // the engine may stop first
}

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

function heapInUse(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

const typesOf = (events: TaskEvent[]) => events.map(({ type }) => type)
const timesOf = (events: TaskEvent[], type: string) =>
  events.filter((event) => event.type === type).map(({ json }) => JSON.parse(json).timestamp)
const dataOf = (event: TaskEvent | undefined) => JSON.parse(event?.json ?? 'null')?.data

function required(record: UnparsedRecord | undefined): UnparsedRecord {
  if (!record) throw new Error('there is no such task')
  return record
}

async function submitOne(engine: Engine, task: Submission): Promise<Submitted> {
  const [submitted] = await engine.submit([task])
  if (!submitted) throw new Error('nothing was submitted')
  return submitted
}

const unknownId = '01890000-0000-7000-8000-000000000000'

export function engineSuite(makeStore: () => OpenEngine): void {
  const defaults: EngineOptions = {
    maxRunning: 2,
    maxPending: 1000,
    retentionMs: 600_000,
    failedRetentionMs: 600_000
  }

  async function start(t: Test, options: Partial<EngineOptions> = {}) {
    const open = makeStore()
    const engine = open({ ...defaults, ...options })
    const test = testHost()
    await engine.start(test.host)
    engine.setClaiming(true)
    t.teardown(() => engine.stop())
    const submit = async (task: Partial<Submission> = {}) =>
      (await submitOne(engine, { type: 'work', input: '{}', priority: 0, ...task })).taskId
    /** Stops the engine and opens the store again, as another process would. */
    const restart = async (lost?: Outcome, more: Partial<EngineOptions> = {}) => {
      await engine.stop()
      const next = open({ ...defaults, ...options, ...more })
      const nextTest = testHost(lost)
      await next.start(nextTest.host)
      next.setClaiming(true)
      t.teardown(() => next.stop())
      return { ...nextTest, engine: next }
    }
    return { ...test, engine, submit, restart }
  }

  t.test('a task is claimed with its input, runs, and keeps its result', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t)

    const taskId = await submit({ type: 'add', input: '{"a":[1,"ü"]}', priority: 3 })
    const { claim, settle } = await attempt(0)

    t.match(claim, { taskId, type: 'add', input: '{"a":[1,"ü"]}', attempt: 1, failures: 0, requeues: 0 })
    t.equal(claim.restored, undefined)
    t.match(await engine.get(taskId), { status: 'running', attempt: 1, priority: 3, startedAt: String })
    settle(completed({ sum: 3 }))
    t.strictSame(await outcomes(taskId), [completed({ sum: 3 })])
    const record = required(await engine.get(taskId))
    t.match(record, { taskId, type: 'add', status: 'completed', result: '{"sum":3}', endedAt: String })
    t.notOk('error' in record || 'cancelReason' in record)
    t.match(record.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  t.test('failures and cancellations are kept with their reasons', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t)
    const failing = await submit()
    ;(await attempt(0)).settle({ status: 'failed', error: { code: 'NO_LUCK', message: 'none' } })
    const cancelled = await submit()
    ;(await attempt(1)).settle({ status: 'cancelled', reason: 'timeout' })
    await Promise.all([outcomes(failing), outcomes(cancelled)])

    t.match(await engine.get(failing), { status: 'failed', error: { code: 'NO_LUCK', message: 'none' } })
    t.match(await engine.get(cancelled), { status: 'cancelled', cancelReason: 'timeout' })
    t.strictSame(typesOf(await history(engine, failing)), ['task_started', 'task_failed'])
    t.strictSame(dataOf((await history(engine, cancelled)).at(-1)), { reason: 'timeout' })
  })

  t.test('an unknown task is undefined, and no operation finds it', async (t) => {
    const { engine } = await start(t)

    t.equal(await engine.get(unknownId), undefined)
    t.equal(await engine.get("' OR 1=1 --"), undefined)
    await t.rejects(engine.cancel(unknownId), { code: 'TASK_NOT_FOUND' })
    await t.rejects(engine.remove(unknownId), { code: 'TASK_NOT_FOUND' })
    await t.rejects(engine.follow(unknownId, '1', never()), { code: 'TASK_NOT_FOUND' })
  })

  t.test(
    'no more tasks run at once than allowed; higher priority goes first, then first in, first out',
    async (t) => {
      const { engine, submit, attempt, attempts } = await start(t, { maxRunning: 1 })
      const blocker = await submit()
      const { settle } = await attempt(0)
      const [low1, high1, low2, high2] = [
        await submit(),
        await submit({ priority: 9 }),
        await submit(),
        await submit({ priority: 9 })
      ]
      t.equal(attempts.length, 1)
      t.equal((await engine.pendingCounts()).pending, 4)

      settle(completed())
      const order = []
      for (let n = 1; n <= 4; n++) {
        const next = await attempt(n)
        order.push(next.claim.taskId)
        next.settle(completed())
      }

      t.strictSame(order, [high1, high2, low1, low2])
      t.not(blocker, low1)
      t.equal((await engine.pendingCounts()).pending, 0)
    }
  )

  t.test(
    'events come in order with growing ids, to one that follows live as to one that comes later',
    async (t) => {
      const { engine, submit, attempt } = await start(t)
      const taskId = await submit()
      const live = history(engine, taskId)
      const { claim, settle } = await attempt(0)
      report(claim, 0.25, 'a quarter')
      report(claim, 0.5, 'half')
      await claim.checkpoint('1') // what was written before it is durable as well
      settle(completed('done'))

      const events = await live

      t.strictSame(typesOf(events), ['task_started', 'progress_update', 'progress_update', 'task_completed'])
      t.strictSame(events.map(dataOf), [
        { attempt: 1 },
        { value: 0.25, text: 'a quarter' },
        { value: 0.5, text: 'half' },
        'done'
      ])
      t.strictSame(Object.keys(JSON.parse(events[0]?.json ?? '')), ['taskId', 'type', 'timestamp', 'data'])
      t.strictSame(await history(engine, taskId), events)
      t.equal(new Set(events.map(({ id }) => id)).size, events.length)
    }
  )

  t.test('a reader continues after the id that it saw last', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t)
    const taskId = await submit()
    const { claim, settle } = await attempt(0)
    for (let n = 1; n <= 5; n++) report(claim, n / 5, `${n}`)
    settle(completed())
    await outcomes(taskId)
    const all = await history(engine, taskId)

    for (const [index, { id }] of all.entries()) {
      const rest = await engine.follow(taskId, id, never())
      if (index === all.length - 1) t.equal(rest, 'ended', 'nothing follows the final event')
      else t.strictSame(await history(engine, taskId, id), all.slice(index + 1))
    }
    for (const garbage of ['', 'x', '-1', '999999', '1e3', '0-0-0', '99999999999999999999999']) {
      t.strictSame(
        typesOf(await history(engine, taskId, garbage)),
        typesOf(all),
        `an id like ${garbage} was never given out`
      )
    }
  })

  t.test('many readers get each event once, and one that leaves does not disturb the others', async (t) => {
    const { engine, submit, attempt } = await start(t)
    const taskId = await submit()
    const leaving = new AbortController()
    const quitter = (async () => {
      const seen = []
      const events = await engine.follow(taskId, undefined, leaving.signal)
      if (events !== 'ended') for await (const event of flatten(events)) seen.push(event.type)
      return seen
    })()
    const readers = Array.from({ length: 20 }, () => history(engine, taskId))
    const { claim, settle } = await attempt(0)
    report(claim, 0.5, 'half')
    await claim.checkpoint('1')
    leaving.abort()
    t.notOk((await quitter).includes('task_completed'))
    settle(completed())

    for (const events of await Promise.all(readers)) {
      t.strictSame(typesOf(events), ['task_started', 'progress_update', 'task_completed'])
    }
  })

  t.test('readers that leave a silent task that others follow leave nothing behind', async (t) => {
    const { engine, submit, attempt } = await start(t)
    const taskId = await submit()
    await attempt(0)
    await follow(engine, taskId, never()) // stays
    const leaveAll = async (count: number) => {
      const leaving = new AbortController()
      setMaxListeners(0, leaving.signal)
      const readers = await Promise.all(
        Array.from({ length: count }, () => follow(engine, taskId, leaving.signal))
      )
      leaving.abort()
      await Promise.all(readers.map(({ ended }) => ended))
    }

    const bytes: number[] = []
    for (let phase = 0; phase < 4; phase++) {
      const before = heapInUse()
      for (let round = 0; round < 60; round++) await leaveAll(50)
      bytes.push(Math.round((heapInUse() - before) / 3_000))
    }

    // All but what the machine keeps for itself at first.
    t.ok(Math.min(...bytes) < 60, `${bytes.join(', ')} bytes are left of each`)
  })

  t.test('a pending task that is cancelled never runs', async (t) => {
    const { engine, submit, attempt, attempts, outcomes } = await start(t, { maxRunning: 1 })
    await submit()
    const { settle } = await attempt(0)
    const taskId = await submit()
    const reader = history(engine, taskId)

    t.match(await engine.cancel(taskId), { status: 'cancelled', cancelReason: 'client', attempt: 0 })

    t.strictSame(typesOf(await reader), ['task_cancelled'])
    t.strictSame(await outcomes(taskId), [{ status: 'cancelled', reason: 'client' }])
    t.equal((await engine.pendingCounts()).pending, 0)
    settle(completed())
    const last = await submit()
    t.equal((await attempt(1)).claim.taskId, last)
    t.equal(attempts.length, 2)
    await t.rejects(engine.cancel(taskId), { code: 'TASK_ALREADY_FINISHED' })
  })

  t.test(
    'a running task that is cancelled is told so, and is cancelled even if it is put back',
    async (t) => {
      const { engine, submit, attempt, outcomes } = await start(t)
      const taskId = await submit()
      const { claim, settle } = await attempt(0)

      t.match(await engine.cancel(taskId), { status: 'running' })
      t.equal(await new Promise((resolve) => claim.stop.listen(resolve)), 'client')
      settle({ status: 'pending', reason: 'shutdown', delayMs: 0 })

      await outcomes(taskId)
      t.match(await engine.get(taskId), { status: 'cancelled', cancelReason: 'client' })
      t.strictSame(typesOf(await history(engine, taskId)), ['task_started', 'task_cancelled'])
    }
  )

  const ends: Outcome[] = [
    { status: 'pending', reason: 'retry', delayMs: 0 },
    { status: 'pending', reason: 'shutdown', delayMs: 60_000 },
    completed('too late'),
    { status: 'failed', error: { code: 'NO_LUCK', message: 'none' } }
  ]
  for (const outcome of ends) {
    const what = outcome.status === 'pending' ? `requeue (${outcome.reason})` : outcome.status
    t.test(`a cancel that meets the attempt's end (${what}) in the store is not lost`, async (t) => {
      const { engine, submit, attempt, attempts, outcomes } = await start(t, { maxRunning: 1 })
      const taskId = await submit()
      const { settle } = await attempt(0)

      const accepted = engine.cancel(taskId)
      settle(outcome)

      t.match(await accepted, { status: 'running' })
      t.strictSame(await outcomes(taskId), [{ status: 'cancelled', reason: 'client' }])
      t.match(await engine.get(taskId), { status: 'cancelled', cancelReason: 'client' })
      t.strictSame(typesOf(await history(engine, taskId)), ['task_started', 'task_cancelled'])
      const next = await submit()
      t.equal((await attempt(1)).claim.taskId, next, 'its slot is free, and it does not start again')
      t.equal(attempts.length, 2)
    })
  }

  t.test(
    'a task that is put back starts again with its checkpoint, its counts and the next attempt',
    async (t) => {
      const { submit, attempt, engine, outcomes } = await start(t)
      const taskId = await submit()
      const first = await attempt(0)
      report(first.claim, 0.7, 'most')
      await first.claim.checkpoint('{"step":1}')
      await first.claim.checkpoint('{"step":2}')
      first.settle({ status: 'pending', reason: 'shutdown', delayMs: 0 })

      const second = await attempt(1)
      t.match(second.claim, { taskId, attempt: 2, failures: 0, requeues: 1, restored: '{"step":2}' })
      t.match(await engine.get(taskId), { attempt: 2, progress: { value: 0, text: '' } })
      second.settle({ status: 'pending', reason: 'retry', delayMs: 0 })
      const third = await attempt(2)
      t.match(third.claim, { attempt: 3, failures: 1, requeues: 1, restored: '{"step":2}' })
      third.settle(completed())

      await outcomes(taskId, 3)
      const events = await history(engine, taskId)
      t.strictSame(typesOf(events), [
        'task_started',
        'progress_update',
        'task_requeued',
        'task_started',
        'task_requeued',
        'task_started',
        'task_completed'
      ])
      t.strictSame([dataOf(events[2]), dataOf(events[4])], [{ reason: 'shutdown' }, { reason: 'retry' }])
      t.strictSame([dataOf(events[3]), dataOf(events[5])], [{ attempt: 2 }, { attempt: 3 }])
    }
  )

  t.test('every attempt is in the record with its times and its error, and a retry says why', async (t) => {
    const { submit, attempt, engine, outcomes } = await start(t)
    const taskId = await submit()
    const error = { code: 'E_FIRST', message: 'the first "error"' }
    ;(await attempt(0)).settle({ status: 'pending', reason: 'retry', delayMs: 0, error })
    ;(await attempt(1)).settle({ status: 'pending', reason: 'shutdown', delayMs: 0 })
    const { settle } = await attempt(2)
    const running = required(await engine.get(taskId)).attempts
    settle({ status: 'failed', error: { code: 'E_LAST', message: 'the last' } })
    await outcomes(taskId, 3)

    const record = required(await engine.get(taskId))
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
    t.match(record.attempts, [
      { attempt: 1, startedAt: time, endedAt: time, outcome: 'retry', error },
      { attempt: 2, startedAt: time, endedAt: time, outcome: 'shutdown' },
      {
        attempt: 3,
        startedAt: record.startedAt,
        endedAt: record.endedAt,
        outcome: 'failed',
        error: record.error
      }
    ])
    t.equal(record.attempts?.length, 3)
    t.strictSame(running?.at(-1), { attempt: 3, startedAt: record.startedAt })
    const events = await history(engine, taskId)
    t.strictSame(events.filter(({ type }) => type === 'task_requeued').map(dataOf), [
      { reason: 'retry', error },
      { reason: 'shutdown' }
    ])
    t.strictSame(
      record.attempts?.map(({ startedAt }) => startedAt),
      timesOf(events, 'task_started')
    )
    t.notOk(
      (await engine.list({ limit: 1 })).tasks.some((task) => 'attempts' in task),
      'not in lists'
    )
    await engine.remove(taskId)
  })

  t.test('a task that is cancelled between two attempts has the attempts that it made', async (t) => {
    const { submit, attempt, engine, outcomes } = await start(t)
    const taskId = await submit()
    const error = { code: 'E', message: 'none' }
    ;(await attempt(0)).settle({ status: 'pending', reason: 'retry', delayMs: 60_000, error })
    await outcomes(taskId)
    t.match(await engine.get(taskId), {
      status: 'pending',
      attempts: [{ attempt: 1, outcome: 'retry', error }]
    })
    await engine.cancel(taskId)

    const record = required(await engine.get(taskId))
    t.match(record, { status: 'cancelled', attempts: [{ attempt: 1, outcome: 'retry', error }] })
    t.equal(record.attempts?.length, 1)
  })

  t.test('of very many attempts the latest 100 are in the record', async (t) => {
    const { submit, attempt, engine, outcomes } = await start(t)
    const taskId = await submit()
    for (let n = 0; n < 120; n++) (await attempt(n)).settle({ status: 'pending', reason: 'lost', delayMs: 0 })
    ;(await attempt(120)).settle(completed())
    await outcomes(taskId, 121)

    const numbers = required(await engine.get(taskId)).attempts?.map((one) => one.attempt)
    t.strictSame(
      numbers,
      Array.from({ length: 100 }, (_, n) => 22 + n)
    )
  })

  t.test('a task that is put back with a delay lets others pass, and starts when it is over', async (t) => {
    const { submit, attempt, engine } = await start(t, { maxRunning: 1 })
    const delayed = await submit({ priority: 9 })
    const before = Date.now()
    ;(await attempt(0)).settle({ status: 'pending', reason: 'retry', delayMs: 100 })
    const other = await submit()

    const second = await attempt(1)
    t.equal(second.claim.taskId, other)
    t.match(await engine.get(delayed), { status: 'pending' })
    second.settle(completed())
    const third = await attempt(2)

    t.equal(third.claim.taskId, delayed)
    t.ok(Date.now() - before >= 100)
    third.settle(completed())
  })

  t.test('what an attempt says after its end changes nothing', async (t) => {
    const { submit, attempt, engine, outcomes } = await start(t)
    const taskId = await submit()
    const first = await attempt(0)
    first.settle({ status: 'pending', reason: 'retry', delayMs: 0 })
    const second = await attempt(1)

    report(first.claim, 0.9, 'late')
    await t.rejects(first.claim.checkpoint('"late"'), { code: 'ATTEMPT_LOST' })
    first.settle(completed('late'))
    second.settle({ status: 'pending', reason: 'retry', delayMs: 0 })
    const third = await attempt(2)
    t.equal(third.claim.restored, undefined)
    third.settle(completed('right'))
    await outcomes(taskId, 3)
    report(third.claim, 1, 'too late')
    await t.rejects(third.claim.checkpoint('1'), { code: 'ATTEMPT_LOST' })

    t.match(await engine.get(taskId), { status: 'completed', result: '"right"' })
    t.notOk((await history(engine, taskId)).some(({ type }) => type === 'progress_update'))
  })

  t.test('the same key and fingerprint give the same task, however many come at once', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t)
    const idempotency = { key: 'k1', fingerprint: 'f1' }
    const task: Submission = { type: 'work', input: '{}', priority: 0, idempotency }

    const answers = await Promise.all(Array.from({ length: 30 }, () => submitOne(engine, task)))

    t.equal(new Set(answers.map(({ taskId }) => taskId)).size, 1)
    t.equal(answers.filter(({ replayed }) => !replayed).length, 1)
    const taskId = answers[0]?.taskId ?? ''
    t.strictSame(await engine.findByKey('k1'), { taskId, fingerprint: 'f1' })
    t.equal(await engine.findByKey('k2'), undefined)
    await t.rejects(submit({ idempotency: { key: 'k1', fingerprint: 'other' } }), {
      code: 'IDEMPOTENCY_KEY_REUSED'
    })

    ;(await attempt(0)).settle(completed())
    await outcomes(taskId)
    t.strictSame(await submitOne(engine, task), { taskId, replayed: true })
    await engine.remove(taskId)
    t.equal(await engine.findByKey('k1'), undefined, 'the key lives as long as its task')
    t.not(await submit({ idempotency: { key: 'k1', fingerprint: 'other' } }), taskId)
  })

  t.test('a full queue takes no more, to the task, and what it refused leaves no key behind', async (t) => {
    const { engine, submit, attempt } = await start(t, { maxRunning: 1, maxPending: 5 })
    await submit()
    const { settle } = await attempt(0)

    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => submit({ idempotency: { key: `k${n}`, fingerprint: 'f' } }))
    )

    t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 5)
    t.equal((await engine.pendingCounts()).pending, 5)
    const refused = answers.findIndex(({ status }) => status === 'rejected')
    t.match(answers[refused], { reason: { code: 'TASK_QUEUE_FULL' } })
    t.equal(await engine.findByKey(`k${refused}`), undefined)
    settle(completed())
    await attempt(1)
    t.ok(await submit({ idempotency: { key: `k${refused}`, fingerprint: 'f' } }))
  })

  t.test('pages show each task once, newest first, also while tasks are added', async (t) => {
    const { engine, submit } = await start(t, { maxRunning: 1 })
    const ids: string[] = []
    for (let n = 0; n < 25; n++) ids.unshift(await submit({ type: n % 2 ? 'odd' : 'even' }))

    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await engine.list({ limit: 7, ...(cursor !== undefined && { cursor }) })
      seen.push(...page.tasks.map(({ taskId }) => taskId))
      cursor = page.nextCursor
      await submit()
    } while (cursor !== undefined)

    t.strictSame(seen, ids)
    const odd = await engine.list({ limit: 200, type: 'odd' })
    t.equal(odd.tasks.length, 12)
    t.equal(odd.nextCursor, undefined)
    t.equal((await engine.list({ limit: 200, status: 'running' })).tasks.length, 1)
    t.match(await engine.list({ limit: 1, type: 'odd', status: 'pending' }), {
      tasks: [{ type: 'odd', status: 'pending' }],
      nextCursor: String
    })
    t.strictSame(await engine.list({ limit: 50, type: 'none' }), { tasks: [] })
    for (const bad of ['x', '', 'c2VxOng', '../..'])
      await t.rejects(engine.list({ limit: 5, cursor: bad }), { code: 'CURSOR_INVALID' })
  })

  t.test('only a finished task can be removed, and takes its events with it', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t, { maxRunning: 1 })
    const taskId = await submit()
    const pending = await submit()
    const { settle } = await attempt(0)
    await t.rejects(engine.remove(taskId), { code: 'TASK_NOT_FINISHED' })
    await t.rejects(engine.remove(pending), { code: 'TASK_NOT_FINISHED' })
    settle(completed())
    await outcomes(taskId)

    await engine.remove(taskId)

    t.equal(await engine.get(taskId), undefined)
    await t.rejects(engine.follow(taskId, undefined, never()), { code: 'TASK_NOT_FOUND' })
    await t.rejects(engine.remove(taskId), { code: 'TASK_NOT_FOUND' })
    t.notOk((await engine.list({ limit: 50 })).tasks.some((task) => task.taskId === taskId))
  })

  t.test(
    'finished tasks are removed when their time is over, with their keys; unfinished ones stay',
    async (t) => {
      const { engine, submit, attempt, outcomes } = await start(t, { maxRunning: 1, retentionMs: 200 })
      const finished = await submit({ idempotency: { key: 'k', fingerprint: 'f' } })
      ;(await attempt(0)).settle(completed())
      await outcomes(finished)
      const running = await submit()
      const pending = await submit()
      await attempt(1)
      t.ok(await engine.get(finished))

      // Nothing announces a removal: it is asked for until it has happened.
      while (await engine.get(finished)) await new Promise((resolve) => setTimeout(resolve, 20))

      t.equal(await engine.findByKey('k'), undefined)
      t.match(await engine.get(running), { status: 'running' })
      t.match(await engine.get(pending), { status: 'pending' })
    }
  )

  for (const kept of ['failed', 'others'] as const) {
    t.test(`failed tasks are kept for a time of their own: ${kept} are kept longer`, async (t) => {
      const [retentionMs, failedRetentionMs] = kept === 'failed' ? [200, 600_000] : [600_000, 200]
      const { engine, submit, attempt, outcomes } = await start(t, { retentionMs, failedRetentionMs })
      const ends: Outcome[] = [
        { status: 'failed', error: { code: 'NO_LUCK', message: 'none' } },
        completed(),
        { status: 'cancelled', reason: 'client' }
      ]
      const ids: string[] = []
      for (const [n, outcome] of ends.entries()) {
        const idempotency = { key: `k${n}`, fingerprint: 'f' }
        ids.push(await submit({ idempotency }))
        ;(await attempt(n)).settle(outcome)
        await outcomes(ids[n] ?? '')
      }

      const left = async () => (await engine.list({ limit: 50 })).tasks.map(({ taskId }) => taskId)
      const expected = kept === 'failed' ? ids.slice(0, 1) : ids.slice(1)
      while ((await left()).length > expected.length) await new Promise((resolve) => setTimeout(resolve, 20))

      t.strictSame((await left()).toReversed(), expected)
      const keys = await Promise.all(ids.map((_, n) => engine.findByKey(`k${n}`)))
      t.strictSame(
        keys.flatMap((used) => used?.taskId ?? []),
        expected,
        'keys go with their tasks'
      )
    })
  }

  t.test('old progress is dropped beyond 1,000 events, state changes never are', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t)
    const taskId = await submit()
    const first = await attempt(0)
    for (let n = 1; n <= 1200; n++) report(first.claim, n / 1200, `${n}`)
    first.settle({ status: 'pending', reason: 'retry', delayMs: 0 })
    const second = await attempt(1)
    for (let n = 1; n <= 30; n++) report(second.claim, n / 30, `second ${n}`)
    second.settle(completed())
    await outcomes(taskId, 2)

    const events = await history(engine, taskId)

    t.strictSame(
      typesOf(events).filter((type) => type !== 'progress_update'),
      ['task_started', 'task_requeued', 'task_started', 'task_completed']
    )
    t.ok(events.length >= 1000 && events.length <= 1005, `${events.length} events are kept`)
    t.strictSame(dataOf(events.at(-2)), { value: 1, text: 'second 30' })
    const late = await history(engine, taskId, events[0]?.id)
    t.strictSame(late, events.slice(1), 'a reader that fell behind continues at the oldest kept event')
  })

  t.test('while claiming is off tasks are accepted and wait', async (t) => {
    const { engine, submit, attempt, attempts } = await start(t, { maxRunning: 1 })
    await submit()
    const { settle } = await attempt(0)
    engine.setClaiming(false)
    const waiting = await submit()
    settle(completed())
    await engine.check()

    t.match(await engine.get(waiting), { status: 'pending' })
    t.equal(attempts.length, 1)
    engine.setClaiming(true)
    t.equal((await attempt(1)).claim.taskId, waiting)
  })

  t.test('what is being claimed when an engine is told to stop is not lost', async (t) => {
    const { engine, submit, attempts, restart } = await start(t)
    engine.setClaiming(false)
    const taskId = await submit()

    engine.setClaiming(true)
    await Promise.resolve()
    await Promise.resolve()
    engine.setClaiming(false)
    const next = await restart({ status: 'failed', error: { code: 'TASK_INTERRUPTED', message: 'lost' } })

    t.equal(attempts.length, 0)
    const { claim, settle } = await next.attempt(0)
    t.equal(claim.taskId, taskId)
    settle(completed())
    t.strictSame(await next.outcomes(taskId), [completed()])
  })

  t.test('pending tasks outlive a restart, in order, with their keys, checkpoints and events', async (t) => {
    const { submit, attempt, restart, engine } = await start(t, { maxRunning: 1 })
    const first = await submit({ idempotency: { key: 'k', fingerprint: 'f' } })
    const begun = await attempt(0)
    await begun.claim.checkpoint('"half"')
    engine.setClaiming(false)
    const second = await submit({ priority: 1 })
    const third = await submit()
    begun.settle({ status: 'pending', reason: 'shutdown', delayMs: 0 })
    await engine.check()

    const next = await restart()

    t.strictSame(await next.engine.findByKey('k'), { taskId: first, fingerprint: 'f' })
    const order = []
    for (let n = 0; n < 3; n++) {
      const { claim, settle } = await next.attempt(n)
      order.push(claim.taskId)
      if (claim.taskId === first) t.match(claim, { attempt: 2, restored: '"half"', requeues: 1 })
      settle(completed())
    }
    t.strictSame(order, [second, first, third])
    await next.outcomes(first)
    const events = await history(next.engine, first)
    t.strictSame(typesOf(events), ['task_started', 'task_requeued', 'task_started', 'task_completed'])
  })

  t.test('a task whose process was lost ends as its type says', async (t) => {
    const { submit, attempt, restart } = await start(t)
    const taskId = await submit()
    await attempt(0)

    const next = await restart({ status: 'failed', error: { code: 'TASK_INTERRUPTED', message: 'lost' } })

    await next.outcomes(taskId)
    t.match(await next.engine.get(taskId), { status: 'failed', error: { code: 'TASK_INTERRUPTED' } })
    t.strictSame(typesOf(await history(next.engine, taskId)), ['task_started', 'task_failed'])
  })

  t.test('a task whose process was lost is put back if its type says so', async (t) => {
    const { submit, attempt, restart } = await start(t)
    const taskId = await submit()
    await (await attempt(0)).claim.checkpoint('7')

    const next = await restart({ status: 'pending', reason: 'lost', delayMs: 0 })

    const again = await next.attempt(0)
    t.match(again.claim, { taskId, attempt: 2, requeues: 1, failures: 0, restored: '7' })
    again.settle(completed())
    await next.outcomes(taskId, 2)
    const events = await history(next.engine, taskId)
    t.strictSame(typesOf(events), ['task_started', 'task_requeued', 'task_started', 'task_completed'])
    t.strictSame(dataOf(events[1]), { reason: 'lost' })
  })

  t.test('a cancel that was accepted outlives its process', async (t) => {
    const { engine, submit, attempt, restart } = await start(t)
    const taskId = await submit()
    await attempt(0)
    await engine.cancel(taskId)

    const next = await restart({ status: 'pending', reason: 'lost', delayMs: 0 })

    await next.outcomes(taskId)
    t.match(await next.engine.get(taskId), { status: 'cancelled', cancelReason: 'client' })
  })

  t.test('a finished shutdown is kept for the next process, once', async (t) => {
    const { engine, restart } = await start(t)
    const report = { reason: 'SIGTERM', outcome: 'clean', seconds: 1.5 } as const
    t.equal(await engine.takeShutdownReport(), undefined)
    await engine.recordShutdown(report)

    const next = await restart()

    t.strictSame(await next.engine.takeShutdownReport(), report)
    t.equal(await next.engine.takeShutdownReport(), undefined)
  })

  t.test('a large input and a large result pass whole', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t)
    const text = 'ß'.repeat(2_000_000)
    const taskId = await submit({ input: JSON.stringify({ text }) })

    const { claim, settle } = await attempt(0)
    t.ok(claim.input === JSON.stringify({ text }))
    settle(completed('r'.repeat(1_000_000)))

    await outcomes(taskId)
    t.ok((await engine.get(taskId))?.result === JSON.stringify('r'.repeat(1_000_000)))
  })

  t.test('a page holds no results, however large they are; errors and reasons it does', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t, { maxRunning: 1 })
    const ends: Outcome[] = [
      completed('r'.repeat(1_000_000)),
      { status: 'failed', error: { code: 'NO_LUCK', message: 'none' } },
      { status: 'cancelled', reason: 'timeout' }
    ]
    for (const [n, outcome] of ends.entries()) {
      const taskId = await submit({ type: `type-${n}` })
      ;(await attempt(n)).settle(outcome)
      await outcomes(taskId)
    }

    const { tasks } = await engine.list({ limit: 50 })

    t.match(tasks, [
      { status: 'cancelled', cancelReason: 'timeout' },
      { status: 'failed', error: { code: 'NO_LUCK', message: 'none' } },
      { status: 'completed' }
    ])
    t.ok(JSON.stringify(tasks).length < 2000)
    for (const [n, task] of tasks.toReversed().entries())
      t.strictSame((await engine.list({ limit: 50, type: `type-${n}` })).tasks, [task], 'filtered as well')
  })

  t.test('an engine that was stopped claims nothing and says that it is closed', async (t) => {
    const { engine, submit, attempts } = await start(t)
    engine.setClaiming(false)
    const taskId = await submit()

    await engine.stop()
    await engine.stop()

    await t.rejects(engine.check(), { code: 'STORE_UNAVAILABLE' })
    await t.rejects(engine.get(taskId), { code: 'STORE_UNAVAILABLE' })
    await t.rejects(submit(), { code: 'STORE_UNAVAILABLE' })
    t.equal(attempts.length, 0)
  })

  t.test('labels, request id and traceparent are kept and reach the run', async (t) => {
    const { engine, submit, attempt } = await start(t)
    const origin = { labels: { 'order.id': 'A:17', shop: 'ü' }, requestId: 'r-1', traceparent: 'trace' }

    const taskId = await submit(origin)

    t.match((await attempt(0)).claim, origin)
    const record = required(await engine.get(taskId))
    t.strictSame(record.labels, origin.labels)
    t.equal(record.requestId, 'r-1')
    t.notOk('traceparent' in record)
  })

  t.test(
    'a list by labels has the tasks that all of them hold for, newest first, page by page',
    async (t) => {
      const { engine, submit, attempt, outcomes } = await start(t, { maxRunning: 1 })
      const blocker = await submit({ labels: { n: '0', parity: 'even' } })
      const all = [blocker]
      for (let n = 1; n < 30; n++)
        all.unshift(
          await submit({
            type: n % 5 ? 'work' : 'other',
            labels: { n: String(n % 3), parity: n % 2 ? 'odd' : 'even' }
          })
        )
      ;(await attempt(0)).settle(completed())
      await outcomes(blocker)
      await attempt(1)
      const list = async (query: Partial<TaskQuery>) => {
        const found: string[] = []
        let cursor: string | undefined
        do {
          const page = await engine.list({ limit: 2, ...query, ...(cursor !== undefined && { cursor }) })
          t.ok(page.tasks.length <= 2)
          found.push(...page.tasks.map(({ taskId }) => taskId))
          cursor = page.nextCursor
        } while (cursor !== undefined)
        return found
      }
      const those = (wanted: (n: number) => boolean) => all.filter((_, index) => wanted(29 - index))

      t.strictSame(
        await list({ label: ['parity:odd'] }),
        those((n) => n % 2 === 1)
      )
      t.strictSame(
        await list({ label: ['n:1', 'parity:odd'] }),
        those((n) => n % 3 === 1 && n % 2 === 1)
      )
      t.strictSame(await list({ label: ['n:1', 'n:2'] }), [])
      t.strictSame(
        await list({ label: ['n:1'], type: 'other' }),
        those((n) => n % 3 === 1 && n % 5 === 0)
      )
      t.strictSame(await list({ label: ['n:0'], status: 'completed' }), [blocker])
      t.strictSame(await list({ label: ['parity:even', 'n:0'], status: 'completed' }), [blocker])
      t.strictSame(
        await list({ label: ['n:1'], status: 'running' }),
        those((n) => n === 1)
      )
      t.strictSame(await list({ label: ['n'] }), [])
      t.strictSame(await list({ label: ['absent:1'] }), [])
      await engine.remove(blocker)
      t.strictSame(
        await list({ label: ['n:0'] }),
        those((n) => n % 3 === 0 && n > 0)
      )
    }
  )

  t.test('a task that is scheduled waits for its time, takes no slot, and is counted apart', async (t) => {
    const { engine, submit, attempt, attempts } = await start(t, { maxRunning: 1, maxPending: 2 })
    const runAt = Date.now() + 400
    const later = await submit({ runAt })
    const now = await submit({ runAt: Date.now() - 1000 })

    t.equal((await attempt(0)).claim.taskId, now, 'one in the past runs at once')
    t.match(await engine.pendingCounts(), { pending: 0, scheduled: 1 })
    const record = required(await engine.get(later))
    t.match(record, { status: 'pending', runAt: new Date(runAt).toISOString() })
    await submit()
    await t.rejects(submit(), { code: 'TASK_QUEUE_FULL' }, 'it counts in MAX_PENDING')
    t.equal(attempts.length, 1)
    for (const n of [0, 1]) (await attempt(n)).settle(completed())
    const { claim, settle } = await attempt(2)
    t.equal(claim.taskId, later)
    t.ok(Date.now() >= runAt - 1)
    t.ok(claim.waitedMs < 10_000)
    t.match(await engine.pendingCounts(), { pending: 0, scheduled: 0 })
    settle(completed())
  })

  t.test('a task that is scheduled outlives a restart, and can be cancelled', async (t) => {
    const { submit, restart } = await start(t)
    const [far, near] = [
      await submit({ runAt: Date.now() + 3_600_000 }),
      await submit({ runAt: Date.now() + 300 })
    ]

    const { engine, attempt, outcomes } = await restart()

    t.equal((await attempt(0)).claim.taskId, near)
    t.match(await engine.pendingCounts(), { pending: 0, scheduled: 1 })
    await engine.cancel(far)
    await outcomes(far)
    t.match(await engine.get(far), { status: 'cancelled', attempt: 0 })
    t.match(await engine.pendingCounts(), { pending: 0, scheduled: 0 })
  })

  const task = (more: Partial<Submission> = {}): Submission => ({
    type: 'work',
    input: '{}',
    priority: 0,
    ...more
  })

  t.test('a batch is accepted whole and in order', async (t) => {
    const { engine, attempt, restart } = await start(t, { maxRunning: 1 })
    const batch = Array.from({ length: 50 }, (_, n) => task({ input: String(n), labels: { batch: 'b' } }))

    const submitted = await engine.submit(batch)

    const ids = submitted.map(({ taskId }) => taskId)
    t.equal(new Set(ids).size, 50)
    t.ok(submitted.every(({ replayed }) => !replayed))
    const page = await engine.list({ label: ['batch:b'], limit: 100 })
    t.strictSame(
      page.tasks.map(({ taskId }) => taskId),
      ids.toReversed()
    )
    t.match((await attempt(0)).claim, { taskId: ids[0], input: '0' })
    const next = await restart({ status: 'failed', error: { code: 'LOST', message: 'lost' } })
    t.equal((await next.attempt(0)).claim.taskId, ids[1], 'durable, in order')
  })

  t.test('a batch that does not fit, or with a key that is in use, leaves nothing behind', async (t) => {
    const { engine, submit } = await start(t, { maxRunning: 1, maxPending: 5 })
    await submit({ idempotency: { key: 'used', fingerprint: 'f' } })
    const inUse = { key: 'used', fingerprint: 'other', name: 'body/tasks/2/idempotencyKey' }

    await t.rejects(engine.submit([task(), task(), task({ idempotency: inUse })]), {
      code: 'IDEMPOTENCY_KEY_REUSED',
      message: /tasks\/2/
    })
    await t.rejects(engine.submit(Array.from({ length: 6 }, () => task())), { code: 'TASK_QUEUE_FULL' })

    t.equal((await engine.list({ limit: 10 })).tasks.length, 1)
    t.equal((await engine.submit(Array.from({ length: 5 }, () => task()))).length, 5)
  })

  t.test('a key that is twice in a batch is one task, and 422 with another body', async (t) => {
    const { engine, submit } = await start(t, { maxRunning: 1 })
    const before = await submit({ idempotency: { key: 'before', fingerprint: 'f' } })
    const keyed = (key: string, fingerprint: string, name = key) =>
      task({ idempotency: { key, fingerprint, name } })

    const answers = await engine.submit([
      keyed('a', '1'),
      keyed('before', 'f'),
      keyed('b', '1'),
      keyed('a', '1')
    ])
    const again = await engine.submit([keyed('b', '1'), keyed('a', '1')])
    await t.rejects(engine.submit([keyed('c', '1'), keyed('c', '2', 'index 1')]), {
      code: 'IDEMPOTENCY_KEY_REUSED',
      message: /index 1/
    })

    t.strictSame(
      answers.map(({ replayed }) => replayed),
      [false, true, false, true]
    )
    t.equal(answers[1]?.taskId, before)
    t.equal(answers[3]?.taskId, answers[0]?.taskId)
    t.strictSame(again, [
      { taskId: answers[2]?.taskId, replayed: true },
      { taskId: answers[0]?.taskId, replayed: true }
    ])
    t.equal((await engine.list({ limit: 10 })).tasks.length, 3)
    t.equal(await engine.findByKey('c'), undefined)
  })

  t.test('a retry knows its task and is known to it; once means once', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t)
    const first = await submit({ input: '{"a":1}' })
    ;(await attempt(0)).settle(completed())
    await outcomes(first)

    t.equal(await engine.input(first), '{"a":1}', 'the input is kept until the task is removed')
    const once = { taskId: first, once: true }
    const results = await Promise.all([
      submitOne(engine, task({ retryOf: once })),
      submitOne(engine, task({ retryOf: once }))
    ])
    t.equal(results[0]?.taskId, results[1]?.taskId)
    t.strictSame(results.map(({ replayed }) => replayed).sort(), [false, true])
    t.match(await engine.get(first), { retriedAs: results[0]?.taskId })
    t.match(await engine.get(results[0]?.taskId ?? ''), { retryOf: first })
    const another = await submit({ retryOf: { taskId: first, once: false } })
    t.match(await engine.get(first), { retriedAs: another })
    await engine.remove(first)
    t.equal(await engine.input(first), undefined)
    t.ok(await submit({ retryOf: { taskId: first, once: false } }), 'one that is gone can still be repeated')
  })

  t.test('a search finds in pages what all its conditions hold for', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t, { maxRunning: 1 })
    const running = await submit({ labels: { a: '1' } })
    await attempt(0)
    const ids: string[] = []
    for (let n = 0; n < 7; n++)
      ids.unshift(await submit({ labels: { a: '1' }, type: n === 3 ? 'other' : 'work' }))
    const search = async (conditions: Partial<TaskSearch>) => {
      const found: string[] = []
      let from: string | undefined
      do {
        const page = await engine.search(
          { statuses: ['pending', 'running'], labels: [], ...conditions },
          3,
          from
        )
        found.push(...page.taskIds)
        from = page.next
      } while (from !== undefined)
      return found
    }
    const created = (await engine.get(ids[3] ?? ''))?.createdAt ?? ''

    t.strictSame(await search({}), [...ids, running])
    t.strictSame(await search({ statuses: ['pending'] }), ids)
    t.strictSame(await search({ statuses: [] }), [])
    t.strictSame(await search({ labels: ['a:1'], type: 'other' }), [ids[3]])
    t.strictSame(await search({ labels: ['a:2'] }), [])
    const after = await search({ createdAfter: Date.parse(created) })
    const before = await search({ createdBefore: Date.parse(created) })
    const same = await search({
      createdAfter: Date.parse(created) - 1,
      createdBefore: Date.parse(created) + 1
    })
    t.ok(same.includes(ids[3] ?? ''))
    t.strictSame([...after, ...same, ...before], [...ids, running])
    await engine.cancel(running)
    t.strictSame(await search({ statuses: ['running'], except: 'cancelling' }), [])
    ;(await attempt(0)).settle({ status: 'cancelled', reason: 'client' })
    await outcomes(running)
    t.strictSame(await search({ statuses: ['cancelled'], except: 'retried' }), [running])
    await submit({ retryOf: { taskId: running, once: false } })
    t.strictSame(await search({ statuses: ['cancelled'], except: 'retried' }), [])
  })

  t.test('many are cancelled and removed at once, those that cannot be are passed over', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t, { maxRunning: 1 })
    const running = await submit()
    const { claim } = await attempt(0)
    const pending = [await submit(), await submit({ runAt: Date.now() + 1_000_000 })]
    const all = [running, ...pending, unknownId]
    const told = new Promise((resolve) => claim.stop.listen(resolve))

    t.equal(await engine.removeMany(all), 0)
    t.equal(await engine.cancelMany(all), 3)
    t.equal(await engine.cancelMany(all), 0)

    t.equal(await told, 'client')
    for (const taskId of pending) await outcomes(taskId)
    t.match(await engine.pendingCounts(), { pending: 0, scheduled: 0 })
    t.equal(await engine.removeMany(all), 2)
    t.equal(await engine.get(pending[0] ?? ''), undefined)
    ;(await attempt(0)).settle({ status: 'cancelled', reason: 'client' })
    await outcomes(running)
    t.equal(await engine.removeMany(all), 1)
  })

  t.test('ended resolves when a task has ended, was removed, or nobody waits any more', async (t) => {
    const { engine, submit, attempt } = await start(t, { maxRunning: 1 })
    const [first, second] = [await submit(), await submit()]
    const signal = never()
    const { claim, settle } = await attempt(0)
    report(claim, 0.5, 'half')
    const waits = [engine.ended(first, signal), engine.ended(first, signal)]
    const abort = new AbortController()
    const aborted = engine.ended(second, abort.signal)
    let over = false
    void Promise.all(waits).then(() => (over = true))
    await engine.get(first)
    t.notOk(over)

    settle(completed())
    abort.abort()

    await Promise.all([...waits, aborted])
    t.match(await engine.get(first), { status: 'completed' })
    await engine.ended(first, signal)
    await engine.ended(unknownId, signal)
  })

  t.test('whoever watches hears of everything that happens to all tasks, with their labels', async (t) => {
    const { engine, submit, attempt, changes, changed } = await start(t, { maxRunning: 1 })
    const before = await submit()
    ;(await attempt(0)).settle(completed())
    await engine.ended(before, never())
    t.strictSame(changes, [], 'nobody watches')

    await engine.setWatching(true)
    const taskId = await submit({ type: 'other', labels: { a: '1' } })
    const { claim, settle } = await attempt(1)
    report(claim, 0.5, 'half')
    settle({ status: 'pending', reason: 'retry', delayMs: 0, error: { code: 'E', message: 'no' } })
    ;(await attempt(2)).settle(completed({ done: true }))

    const heard = (await changed(6)).filter((change) => change.taskId === taskId)
    t.strictSame(
      heard.map(({ type, data }) => [type, JSON.parse(data)]),
      [
        ['task_accepted', { status: 'pending' }],
        ['task_started', { attempt: 1 }],
        ['progress_update', { value: 0.5, text: 'half' }],
        ['task_requeued', { reason: 'retry', error: { code: 'E', message: 'no' } }],
        ['task_started', { attempt: 2 }],
        ['task_completed', { done: true }]
      ]
    )
    for (const change of heard) t.match(change, { taskType: 'other', labels: { a: '1' }, at: Number })
    await engine.setWatching(false)
  })

  t.test('of a type with a limit no more run at once, and the others pass by', async (t) => {
    const { engine, submit, attempt, attempts, outcomes } = await start(t, { maxRunning: 4 })
    const limited: string[] = []
    for (let n = 0; n < 6; n++) limited.push(await submit({ type: 'limited', priority: 5 }))
    const other = await submit()

    const begun = [await attempt(0), await attempt(1), await attempt(2)]

    t.same(begun.map(({ claim }) => claim.type).sort(), ['limited', 'limited', 'work'])
    t.ok(begun.some(({ claim }) => claim.taskId === other))
    // One that was to follow is cancelled: another follows in its place.
    await engine.cancel(limited[2] ?? '')
    const inLimit = () => {
      const running = attempts.filter(({ claim }) => claim.type === 'limited' && !over.has(claim.taskId))
      t.ok(running.length <= 2, `${running.length} run`)
      return running
    }
    const over = new Set<string>()
    while (over.size < 5) {
      const [next] = inLimit()
      if (!next) {
        await attempt(attempts.length)
        continue
      }
      over.add(next.claim.taskId)
      next.settle(completed())
      await outcomes(next.claim.taskId)
    }
    t.match(await engine.pendingCounts(), { pending: 0 })
  })
}
