import type { Test } from 'tap'
import type { Submission } from '../../src/engine.ts'
import { completed, required, type StartEngine, submitOne } from './harness.ts'

export function submitTests(t: Test, start: StartEngine): void {
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

    ;(await attempt(0)).finish(completed())
    await outcomes(taskId)
    t.strictSame(await submitOne(engine, task), { taskId, replayed: true })
    await engine.remove(taskId)
    t.equal(await engine.findByKey('k1'), undefined, 'the key lives as long as its task')
    t.not(await submit({ idempotency: { key: 'k1', fingerprint: 'other' } }), taskId)
  })

  t.test('a full queue takes no more, to the task, and what it refused leaves no key behind', async (t) => {
    const { engine, submit, attempt } = await start(t, { maxRunning: 1, maxPending: 5 })
    await submit()
    const { finish } = await attempt(0)

    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => submit({ idempotency: { key: `k${n}`, fingerprint: 'f' } }))
    )

    t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 5)
    t.equal((await engine.pendingCounts()).pending, 5)
    const refused = answers.findIndex(({ status }) => status === 'rejected')
    t.match(answers[refused], { reason: { code: 'TASK_QUEUE_FULL' } })
    t.equal(await engine.findByKey(`k${refused}`), undefined)
    finish(completed())
    await attempt(1)
    t.ok(await submit({ idempotency: { key: `k${refused}`, fingerprint: 'f' } }))
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
    ;(await attempt(0)).finish(completed())
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
}
