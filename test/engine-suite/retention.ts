import type { Test } from 'tap'
import type { Outcome } from '../../src/engine.ts'
import { completed, type Network, never, type StartEngine } from './harness.ts'

export function retentionTests(t: Test, start: StartEngine, { roundTripMs }: Network): void {
  t.test('only a finished task can be removed, and takes its events with it', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t, { maxRunning: 1 })
    const taskId = await submit()
    const pending = await submit()
    const { finish } = await attempt(0)
    await t.rejects(engine.remove(taskId), { code: 'TASK_NOT_FINISHED' })
    await t.rejects(engine.remove(pending), { code: 'TASK_NOT_FINISHED' })
    finish(completed())
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
      const { engine, submit, attempt, outcomes } = await start(t, {
        maxRunning: 1,
        retentionMs: 200 + 10 * roundTripMs
      })
      const finished = await submit({ idempotency: { key: 'k', fingerprint: 'f' } })
      ;(await attempt(0)).finish(completed())
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
        ;(await attempt(n)).finish(outcome)
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
}
