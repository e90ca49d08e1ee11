import type { Test } from 'tap'
import type { Outcome } from '../../src/engine.ts'
import { completed, history, required, type StartEngine, typesOf, unknownId } from './harness.ts'

export function cancelTests(t: Test, start: StartEngine): void {
  t.test('a pending task that is cancelled never runs', async (t) => {
    const { engine, submit, attempt, attempts, outcomes } = await start(t, { maxRunning: 1 })
    await submit()
    const { finish } = await attempt(0)
    const taskId = await submit()
    const reader = history(engine, taskId)

    t.match(await engine.cancel(taskId), { status: 'cancelled', cancelReason: 'client', attempt: 0 })

    t.strictSame(typesOf(await reader), ['task_cancelled'])
    t.strictSame(await outcomes(taskId), [{ status: 'cancelled', reason: 'client' }])
    t.equal((await engine.pendingCounts()).pending, 0)
    finish(completed())
    const last = await submit()
    t.equal((await attempt(1)).claim.taskId, last)
    t.equal(attempts.length, 2)
    await t.rejects(engine.cancel(taskId), { code: 'TASK_ALREADY_FINISHED' })
  })

  t.test(
    'a running task that is cancelled is stopped, and is cancelled even if it is requeued',
    async (t) => {
      const { engine, submit, attempt, outcomes } = await start(t)
      const taskId = await submit()
      const { claim, finish } = await attempt(0)

      t.match(await engine.cancel(taskId), { status: 'running' })
      t.equal(await new Promise((resolve) => claim.stop.listen(resolve)), 'client')
      finish({ status: 'pending', reason: 'shutdown', delayMs: 0 })

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
      const { finish } = await attempt(0)

      const accepted = engine.cancel(taskId)
      finish(outcome)

      t.match(await accepted, { status: 'running' })
      t.strictSame(await outcomes(taskId), [{ status: 'cancelled', reason: 'client' }])
      t.match(await engine.get(taskId), { status: 'cancelled', cancelReason: 'client' })
      t.strictSame(typesOf(await history(engine, taskId)), ['task_started', 'task_cancelled'])
      const next = await submit()
      t.equal((await attempt(1)).claim.taskId, next, 'its slot is free, and it does not start again')
      t.equal(attempts.length, 2)
    })
  }

  t.test('a task that is cancelled between two attempts has the attempts that it made', async (t) => {
    const { submit, attempt, engine, outcomes } = await start(t)
    const taskId = await submit()
    const error = { code: 'E', message: 'none' }
    ;(await attempt(0)).finish({ status: 'pending', reason: 'retry', delayMs: 60_000, error })
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

  t.test('many are cancelled and removed at once, those that cannot be are passed over', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t, { maxRunning: 1 })
    const running = await submit()
    const { claim } = await attempt(0)
    const pending = [await submit(), await submit({ runAt: Date.now() + 1_000_000 })]
    const all = [running, ...pending, unknownId]
    const stopped = new Promise((resolve) => claim.stop.listen(resolve))

    t.equal(await engine.removeMany(all), 0)
    t.equal(await engine.cancelMany(all), 3)
    t.equal(await engine.cancelMany(all), 0)

    t.equal(await stopped, 'client')
    for (const taskId of pending) await outcomes(taskId)
    t.match(await engine.pendingCounts(), { pending: 0, scheduled: 0 })
    t.equal(await engine.removeMany(all), 2)
    t.equal(await engine.get(pending[0] ?? ''), undefined)
    ;(await attempt(0)).finish({ status: 'cancelled', reason: 'client' })
    await outcomes(running)
    t.equal(await engine.removeMany(all), 1)
  })
}
