import type { Test } from 'tap'
import { completed, dataOf, history, type Network, type StartEngine, typesOf } from './harness.ts'

export function recoveryTests(t: Test, start: StartEngine, { roundTripMs }: Network): void {
  t.test('what is being claimed when an engine stops is not lost', async (t) => {
    const { engine, submit, attempts, restart } = await start(t)
    engine.setClaiming(false)
    const taskId = await submit()

    engine.setClaiming(true)
    await Promise.resolve()
    await Promise.resolve()
    engine.setClaiming(false)
    const next = await restart({ status: 'failed', error: { code: 'TASK_INTERRUPTED', message: 'lost' } })

    t.equal(attempts.length, 0)
    const { claim, finish } = await next.attempt(0)
    t.equal(claim.taskId, taskId)
    finish(completed())
    t.strictSame(await next.outcomes(taskId), [completed()])
  })

  t.test('pending tasks outlive a restart, in order, with their keys, checkpoints and events', async (t) => {
    const { submit, attempt, outcomes, restart, engine } = await start(t, { maxRunning: 1 })
    const first = await submit({ idempotency: { key: 'k', fingerprint: 'f' } })
    const begun = await attempt(0)
    await begun.claim.checkpoint('"half"')
    engine.setClaiming(false)
    const second = await submit({ priority: 1 })
    const third = await submit()
    begun.finish({ status: 'pending', reason: 'shutdown', delayMs: 0 })
    await outcomes(first)

    const next = await restart()

    t.strictSame(await next.engine.findByKey('k'), { taskId: first, fingerprint: 'f' })
    const order = []
    for (let n = 0; n < 3; n++) {
      const { claim, finish } = await next.attempt(n)
      order.push(claim.taskId)
      if (claim.taskId === first) t.match(claim, { attempt: 2, restored: '"half"', requeues: 1 })
      finish(completed())
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

  t.test('a task whose process was lost is requeued if its type says so', async (t) => {
    const { submit, attempt, restart } = await start(t)
    const taskId = await submit()
    await (await attempt(0)).claim.checkpoint('7')

    const next = await restart({ status: 'pending', reason: 'lost', delayMs: 0 })

    const again = await next.attempt(0)
    t.match(again.claim, { taskId, attempt: 2, requeues: 1, failures: 0, restored: '7' })
    again.finish(completed())
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

  t.test('a task that is scheduled outlives a restart, and can be cancelled', async (t) => {
    const { submit, restart } = await start(t)
    const [far, near] = [
      await submit({ runAt: Date.now() + 3_600_000 }),
      await submit({ runAt: Date.now() + 300 + 10 * roundTripMs })
    ]

    const { engine, attempt, outcomes } = await restart()

    t.equal((await attempt(0)).claim.taskId, near)
    t.match(await engine.pendingCounts(), { pending: 0, scheduled: 1 })
    await engine.cancel(far)
    await outcomes(far)
    t.match(await engine.get(far), { status: 'cancelled', attempt: 0 })
    t.match(await engine.pendingCounts(), { pending: 0, scheduled: 0 })
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
}
