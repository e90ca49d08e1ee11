import type { Test } from 'tap'
import type { Outcome } from '../../src/engine.ts'
import { completed, type Network, type StartEngine } from './harness.ts'

export function largeTests(t: Test, start: StartEngine, { payloadBytes }: Network): void {
  t.test('a large input and a large result pass whole', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t)
    const text = 'ß'.repeat(payloadBytes / 2)
    const taskId = await submit({ input: JSON.stringify({ text }) })

    const { claim, finish } = await attempt(0)
    t.ok(claim.input === JSON.stringify({ text }))
    const result = 'r'.repeat(payloadBytes / 4)
    finish(completed(result))

    await outcomes(taskId)
    t.ok((await engine.get(taskId))?.result === JSON.stringify(result))
  })

  t.test('a page holds no results, however large they are; errors and reasons it does', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t, { maxRunning: 1 })
    const ends: Outcome[] = [
      completed('r'.repeat(payloadBytes / 4)),
      { status: 'failed', error: { code: 'NO_LUCK', message: 'none' } },
      { status: 'cancelled', reason: 'timeout' }
    ]
    for (const [n, outcome] of ends.entries()) {
      const taskId = await submit({ type: `type-${n}` })
      ;(await attempt(n)).finish(outcome)
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
}
