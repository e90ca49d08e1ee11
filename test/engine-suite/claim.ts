import type { Test } from 'tap'
import { completed, type Network, required, type StartEngine } from './harness.ts'

export function claimTests(t: Test, start: StartEngine, { roundTripMs }: Network): void {
  t.test(
    'no more tasks run at once than allowed; higher priority goes first, then first in, first out',
    async (t) => {
      const { engine, submit, attempt, attempts } = await start(t, { maxRunning: 1 })
      const blocker = await submit()
      const { finish } = await attempt(0)
      const [low1, high1, low2, high2] = [
        await submit(),
        await submit({ priority: 9 }),
        await submit(),
        await submit({ priority: 9 })
      ]
      t.equal(attempts.length, 1)
      t.equal((await engine.pendingCounts()).pending, 4)

      finish(completed())
      const order = []
      for (let n = 1; n <= 4; n++) {
        const next = await attempt(n)
        order.push(next.claim.taskId)
        next.finish(completed())
      }

      t.strictSame(order, [high1, high2, low1, low2])
      t.not(blocker, low1)
      t.equal((await engine.pendingCounts()).pending, 0)
    }
  )

  t.test('the age of the pending task that waits for longest is known until it is claimed', async (t) => {
    const { engine, submit, attempt } = await start(t, { maxRunning: 1 })
    await submit()
    const { finish } = await attempt(0)
    t.equal(await engine.oldestPendingMs(), 0)

    await submit()
    await submit({ priority: 10 })
    await submit({ runAt: Date.now() + 3_600_000 })
    // Nothing announces an age: it is asked for until it is reached.
    while ((await engine.oldestPendingMs()) < 20) await new Promise(setImmediate)
    finish(completed())
    ;(await attempt(1)).finish(completed())
    ;(await attempt(2)).finish(completed())

    while ((await engine.oldestPendingMs()) > 0) await new Promise(setImmediate)
    t.match(await engine.pendingCounts(), { pending: 0, scheduled: 1 })
  })

  t.test('while claiming is off tasks are accepted and wait', async (t) => {
    const { engine, submit, attempt, attempts, outcomes } = await start(t, { maxRunning: 1 })
    const first = await submit()
    const { finish } = await attempt(0)
    engine.setClaiming(false)
    const waiting = await submit()
    finish(completed())
    await outcomes(first)

    t.match(await engine.get(waiting), { status: 'pending' })
    t.equal(attempts.length, 1)
    engine.setClaiming(true)
    t.equal((await attempt(1)).claim.taskId, waiting)
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
      next.finish(completed())
      await outcomes(next.claim.taskId)
    }
    t.match(await engine.pendingCounts(), { pending: 0 })
  })

  t.test('a task that is scheduled waits for its time, takes no slot, and is counted apart', async (t) => {
    const { engine, submit, attempt, attempts } = await start(t, { maxRunning: 1, maxPending: 2 })
    const runAt = Date.now() + 400 + 10 * roundTripMs
    const later = await submit({ runAt })
    const now = await submit({ runAt: Date.now() - 1000 })

    t.equal((await attempt(0)).claim.taskId, now, 'one in the past runs at once')
    t.match(await engine.pendingCounts(), { pending: 0, scheduled: 1 })
    const record = required(await engine.get(later))
    t.match(record, { status: 'pending', runAt: new Date(runAt).toISOString() })
    await submit()
    await t.rejects(submit(), { code: 'TASK_QUEUE_FULL' }, 'it counts in MAX_PENDING')
    t.equal(attempts.length, 1)
    for (const n of [0, 1]) (await attempt(n)).finish(completed())
    const { claim, finish } = await attempt(2)
    t.equal(claim.taskId, later)
    t.ok(Date.now() >= runAt - 1)
    t.ok(claim.waitedMs < 10_000 + roundTripMs)
    t.match(await engine.pendingCounts(), { pending: 0, scheduled: 0 })
    finish(completed())
  })
}
