import type { Test } from 'tap'
import {
  completed,
  dataOf,
  history,
  never,
  report,
  required,
  type StartEngine,
  typesOf,
  unknownId
} from './harness.ts'

export function finishTests(t: Test, start: StartEngine): void {
  t.test('a task is claimed with its input, runs, and keeps its result', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t)

    const taskId = await submit({ type: 'add', input: '{"a":[1,"ü"]}', priority: 3 })
    const { claim, finish } = await attempt(0)

    t.match(claim, { taskId, type: 'add', input: '{"a":[1,"ü"]}', attempt: 1, failures: 0, requeues: 0 })
    t.equal(claim.restored, undefined)
    t.match(await engine.get(taskId), { status: 'running', attempt: 1, priority: 3, startedAt: String })
    finish(completed({ sum: 3 }))
    t.strictSame(await outcomes(taskId), [completed({ sum: 3 })])
    const record = required(await engine.get(taskId))
    t.match(record, { taskId, type: 'add', status: 'completed', result: '{"sum":3}', endedAt: String })
    t.notOk('error' in record || 'cancelReason' in record)
    t.match(record.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  t.test('failures and cancellations are kept with their reasons', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t)
    const failing = await submit()
    ;(await attempt(0)).finish({ status: 'failed', error: { code: 'NO_LUCK', message: 'none' } })
    const cancelled = await submit()
    ;(await attempt(1)).finish({ status: 'cancelled', reason: 'timeout' })
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

  t.test('what an attempt says after its end changes nothing', async (t) => {
    const { submit, attempt, engine, outcomes } = await start(t)
    const taskId = await submit()
    const first = await attempt(0)
    first.finish({ status: 'pending', reason: 'retry', delayMs: 0 })
    const second = await attempt(1)

    report(first.claim, 0.9, 'late')
    await t.rejects(first.claim.checkpoint('"late"'), { code: 'ATTEMPT_LOST' })
    first.finish(completed('late'))
    second.finish({ status: 'pending', reason: 'retry', delayMs: 0 })
    const third = await attempt(2)
    t.equal(third.claim.restored, undefined)
    third.finish(completed('right'))
    await outcomes(taskId, 3)
    report(third.claim, 1, 'too late')
    await t.rejects(third.claim.checkpoint('1'), { code: 'ATTEMPT_LOST' })

    t.match(await engine.get(taskId), { status: 'completed', result: '"right"' })
    t.notOk((await history(engine, taskId)).some(({ type }) => type === 'progress_update'))
  })
}
