import type { Test } from 'tap'
import {
  completed,
  dataOf,
  history,
  type Network,
  report,
  required,
  type StartEngine,
  timesOf,
  typesOf
} from './harness.ts'

export function requeueTests(t: Test, start: StartEngine, { roundTripMs }: Network): void {
  t.test('a requeued task starts again with its checkpoint, its counts and the next attempt', async (t) => {
    const { submit, attempt, engine, outcomes } = await start(t)
    const taskId = await submit()
    const first = await attempt(0)
    report(first.claim, 0.7, 'most')
    await first.claim.checkpoint('{"step":1}')
    await first.claim.checkpoint('{"step":2}')
    first.finish({ status: 'pending', reason: 'shutdown', delayMs: 0 })

    const second = await attempt(1)
    t.match(second.claim, { taskId, attempt: 2, failures: 0, requeues: 1, restored: '{"step":2}' })
    t.match(await engine.get(taskId), { attempt: 2, progress: { value: 0, text: '' } })
    second.finish({ status: 'pending', reason: 'retry', delayMs: 0 })
    const third = await attempt(2)
    t.match(third.claim, { attempt: 3, failures: 1, requeues: 1, restored: '{"step":2}' })
    third.finish(completed())

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
  })

  t.test('every attempt is in the record with its times and its error, and a retry says why', async (t) => {
    const { submit, attempt, engine, outcomes } = await start(t)
    const taskId = await submit()
    const error = { code: 'E_FIRST', message: 'the first "error"' }
    ;(await attempt(0)).finish({ status: 'pending', reason: 'retry', delayMs: 0, error })
    ;(await attempt(1)).finish({ status: 'pending', reason: 'shutdown', delayMs: 0 })
    const { finish } = await attempt(2)
    const running = required(await engine.get(taskId)).attempts
    finish({ status: 'failed', error: { code: 'E_LAST', message: 'the last' } })
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

  const skip = roundTripMs >= 200 && 'a minute of waiting for the network'
  t.test('of very many attempts the latest 100 are in the record', { skip }, async (t) => {
    const { submit, attempt, engine, outcomes } = await start(t)
    const taskId = await submit()
    for (let n = 0; n < 120; n++) (await attempt(n)).finish({ status: 'pending', reason: 'lost', delayMs: 0 })
    ;(await attempt(120)).finish(completed())
    await outcomes(taskId, 121)

    const numbers = required(await engine.get(taskId)).attempts?.map((one) => one.attempt)
    t.strictSame(
      numbers,
      Array.from({ length: 100 }, (_, n) => 22 + n)
    )
  })

  t.test('a task that is requeued with a delay lets others pass, and starts when it is over', async (t) => {
    const { submit, attempt, engine } = await start(t, { maxRunning: 1 })
    const delayed = await submit({ priority: 9 })
    const delayMs = 100 + 4 * roundTripMs
    const before = Date.now()
    ;(await attempt(0)).finish({ status: 'pending', reason: 'retry', delayMs })
    const other = await submit()

    const second = await attempt(1)
    t.equal(second.claim.taskId, other)
    t.match(await engine.get(delayed), { status: 'pending' })
    second.finish(completed())
    const third = await attempt(2)

    t.equal(third.claim.taskId, delayed)
    t.ok(Date.now() - before >= delayMs)
    third.finish(completed())
  })
}
