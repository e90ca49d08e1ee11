import type { Test } from 'tap'
import {
  completed,
  dataOf,
  flatten,
  history,
  type Network,
  never,
  report,
  type StartEngine,
  typesOf,
  unknownId
} from './harness.ts'

export function followTests(t: Test, start: StartEngine, { cuts }: Network): void {
  t.test(
    'events come in order with growing ids, to one that follows live as to one that comes later',
    async (t) => {
      const { engine, submit, attempt } = await start(t)
      const taskId = await submit()
      const live = history(engine, taskId)
      const { claim, finish } = await attempt(0)
      report(claim, 0.25, 'a quarter')
      report(claim, 0.5, 'half')
      await claim.checkpoint('1') // what was written before it is durable as well
      finish(completed('done'))

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
    const { claim, finish } = await attempt(0)
    for (let n = 1; n <= 5; n++) report(claim, n / 5, `${n}`)
    finish(completed())
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

  t.test('many readers get each event once, and one that stops does not disturb the others', async (t) => {
    const { engine, submit, attempt } = await start(t)
    const taskId = await submit()
    const stopping = new AbortController()
    const stopped = (async () => {
      const seen = []
      const events = await engine.follow(taskId, undefined, stopping.signal)
      if (events !== 'ended') for await (const event of flatten(events)) seen.push(event.type)
      return seen
    })()
    const readers = Array.from({ length: 20 }, () => history(engine, taskId))
    const { claim, finish } = await attempt(0)
    report(claim, 0.5, 'half')
    await claim.checkpoint('1')
    stopping.abort()
    t.notOk((await stopped).includes('task_completed'))
    finish(completed())

    for (const events of await Promise.all(readers)) {
      t.strictSame(typesOf(events), ['task_started', 'progress_update', 'task_completed'])
    }
  })

  t.test('old progress is dropped beyond 1,000 events, state changes never are', async (t) => {
    const { engine, submit, attempt, outcomes } = await start(t)
    const taskId = await submit()
    const first = await attempt(0)
    for (let n = 1; n <= 1200; n++) {
      report(first.claim, n / 1200, `${n}`)
      // A runner reports no faster than they are written.
      if (n % 100 === 0) await first.claim.checkpoint('1')
    }
    first.finish({ status: 'pending', reason: 'retry', delayMs: 0 })
    const second = await attempt(1)
    for (let n = 1; n <= 30; n++) report(second.claim, n / 30, `second ${n}`)
    second.finish(completed())
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

  t.test('ended resolves when a task has ended, was removed, or nobody waits any more', async (t) => {
    const { engine, submit, attempt } = await start(t, { maxRunning: 1 })
    const [first, second] = [await submit(), await submit()]
    const signal = never()
    const { claim, finish } = await attempt(0)
    report(claim, 0.5, 'half')
    const waits = [engine.ended(first, signal), engine.ended(first, signal)]
    const abort = new AbortController()
    const aborted = engine.ended(second, abort.signal)
    let over = false
    void Promise.all(waits).then(() => (over = true))
    await engine.get(first)
    t.notOk(over)

    finish(completed())
    abort.abort()

    await Promise.all([...waits, aborted])
    t.match(await engine.get(first), { status: 'completed' })
    await engine.ended(first, signal)
    await engine.ended(unknownId, signal)
  })

  t.test('a watcher gets every change of all tasks, with their labels', async (t) => {
    const { engine, submit, attempt, changes, changed } = await start(t, { maxRunning: 1 })
    const before = await submit()
    ;(await attempt(0)).finish(completed())
    await engine.ended(before, never())
    t.strictSame(changes, [], 'nobody watches')

    await engine.setWatching(true)
    const taskId = await submit({ type: 'other', labels: { a: '1' } })
    const { claim, finish } = await attempt(1)
    report(claim, 0.5, 'half')
    finish({ status: 'pending', reason: 'retry', delayMs: 0, error: { code: 'E', message: 'no' } })
    ;(await attempt(2)).finish(completed({ done: true }))

    const all = await changed(6)
    if (all === 'missed') {
      t.ok(cuts, 'none is missed while the connection lasts')
      return
    }
    const seen = all.filter((change) => change.taskId === taskId)
    t.strictSame(
      seen.map(({ type, data }) => [type, JSON.parse(data)]),
      [
        ['task_accepted', { status: 'pending' }],
        ['task_started', { attempt: 1 }],
        ['progress_update', { value: 0.5, text: 'half' }],
        ['task_requeued', { reason: 'retry', error: { code: 'E', message: 'no' } }],
        ['task_started', { attempt: 2 }],
        ['task_completed', { done: true }]
      ]
    )
    for (const change of seen) t.match(change, { taskType: 'other', labels: { a: '1' }, at: Number })
    await engine.setWatching(false)
  })
}
