import t from 'tap'
import { newTaskId } from '../../../src/task-id.ts'
import { needsRedis } from '../../redis.ts'
import { openJobs } from './open-jobs.ts'

const skip = needsRedis()
const task = { type: 'any', input: '1', priority: 0 }
const newest = Number.MAX_SAFE_INTEGER

t.test('a batch is accepted whole or not at all', { skip }, async (t) => {
  const { records } = await openJobs(t)
  const batch = Array.from({ length: 3 }, () => ({ taskId: newTaskId(), task }))
  t.strictSame(await records.submit(batch, 2), { pending: 0 }, 'no room for three')
  t.strictSame(await records.pendingCounts(), { pending: 0, scheduled: 0 })

  t.strictSame(await records.submit(batch, 3), { taskIds: batch.map(({ taskId }) => taskId) })
  t.strictSame(await records.submit([{ taskId: newTaskId(), task }], 3), { pending: 3 })
})

t.test('a key stands for its task; a submission that was sent twice is one task', { skip }, async (t) => {
  const { records } = await openJobs(t)
  const taskId = newTaskId()
  const keyed = { ...task, idempotency: { key: 'order-1', fingerprint: 'abc' } }
  await records.submit([{ taskId, task: keyed }], 10)
  await records.submit([{ taskId, task: keyed }], 10)
  t.strictSame(await records.findByKey('order-1'), { taskId, fingerprint: 'abc' })
  t.strictSame(await records.submit([{ taskId: newTaskId(), task: keyed }], 10), { taskIds: [taskId] })
  t.strictSame(await records.pendingCounts(), { pending: 1, scheduled: 0 })

  const other = { ...task, idempotency: { key: 'order-1', fingerprint: 'other' } }
  const batch = [
    { taskId: newTaskId(), task },
    { taskId: newTaskId(), task: other }
  ]
  t.strictSame(await records.submit(batch, 10), { reused: 1 })
  t.equal(await records.findByKey('order-2'), undefined)
})

t.test('a record is what was submitted', { skip }, async (t) => {
  const { records } = await openJobs(t)
  const taskId = newTaskId()
  const runAt = Date.now() + 60_000
  const whole = { ...task, priority: 7, labels: { team: 'parts' }, requestId: 'request-1', runAt }
  await records.submit([{ taskId, task: whole }], 10)

  t.match(await records.get(taskId), {
    taskId,
    type: 'any',
    status: 'pending',
    priority: 7,
    labels: { team: 'parts' },
    requestId: 'request-1',
    runAt: new Date(runAt).toISOString()
  })
  t.equal(await records.input(taskId), '1')
  t.strictSame(await records.pendingCounts(), { pending: 0, scheduled: 1 })
  t.equal(await records.get(newTaskId()), undefined)
  t.equal(await records.input(newTaskId()), undefined)
})

t.test('pages go from the newest back, without gaps', { skip }, async (t) => {
  const { records } = await openJobs(t)
  const batch = Array.from({ length: 5 }, (_, n) => ({
    taskId: newTaskId(),
    task: { ...task, type: n % 2 === 0 ? 'even' : 'odd' }
  }))
  await records.submit(batch, 10)
  const ids = batch.map(({ taskId }) => taskId).reverse()

  const first = await records.page({}, newest, 3)
  const second = await records.page({}, first.at(-1)?.seq ?? 0, 3)
  t.strictSame(
    [...first, ...second].map(({ record }) => record.taskId),
    ids
  )
  const odd = await records.page({ type: 'odd', status: 'pending' }, newest, 10)
  t.strictSame(
    odd.map(({ record }) => record.taskId),
    [ids[1], ids[3]]
  )
})

t.test('a pending task is cancelled at once; who asks again hears that it has ended', { skip }, async (t) => {
  const { records, submit } = await openJobs(t)
  const taskId = await submit()
  const told: string[] = []
  const cancel = () => records.cancel(taskId, ({ was }) => told.push(was))

  t.match(await cancel(), { was: 'pending', record: { status: 'cancelled', cancelReason: 'client' } })
  t.match(await cancel(), { was: 'finished', status: 'cancelled' })
  t.match(await records.cancel(newTaskId(), () => {}), { was: 'unknown' })
  t.strictSame(told, ['pending', 'finished'])
})

t.test('only a finished task is removed, and goes whole', { skip }, async (t) => {
  const { records, submit, redis } = await openJobs(t)
  const taskId = await submit()
  t.equal(await records.remove(taskId), 'pending')
  t.ok(await records.get(taskId))
  await records.cancel(taskId, () => {})

  t.equal(await records.remove(taskId), 'cancelled')
  t.equal(await records.remove(taskId), undefined)
  t.strictSame(
    await redis.keys(`*${taskId}*`).then((keys) => keys.filter((key) => !key.includes('reply'))),
    []
  )
})

t.test('a sweep takes what ended long enough ago, and no more than it may at once', { skip }, async (t) => {
  const { records, submit } = await openJobs(t)
  for (let n = 0; n < 3; n++) await records.cancel(await submit(), () => {})

  t.equal(await records.sweep('ended', 60_000, 2), 0)
  t.equal(await records.sweep('failed', 0, 2), 0, 'none of them has failed')
  t.equal(await records.sweep('ended', 0, 2), 2)
  t.equal(await records.sweep('ended', 0, 2), 1)
})

t.test('a shutdown is reported once', { skip }, async (t) => {
  const { records } = await openJobs(t)
  const report = { seconds: 1.5, reason: 'SIGTERM', outcome: 'clean' } as const
  await records.addShutdown(report)
  t.strictSame(await records.takeShutdown(), report)
  t.equal(await records.takeShutdown(), undefined)
})

t.test('labels that are no JSON to Redis leave nothing behind', { skip }, async (t) => {
  const { records, redis, key } = await openJobs(t)
  const taskId = newTaskId()
  const batch = [
    { taskId: newTaskId(), task },
    { taskId, task: { ...task, labels: { team: '\ud800' } } }
  ]
  await t.rejects(records.submit(batch, 10), { code: 'STORE_UNAVAILABLE' })
  t.equal(await records.get(taskId), undefined)
  t.equal(await redis.zcard(`${key}:open:any`), 0)
})
