import t, { type Test } from 'tap'
import { EventStreams } from '../../../src/distributed/event-streams.ts'
import type { TaskEvent } from '../../../src/task.ts'
import { newTaskId } from '../../../src/task-id.ts'
import { quietLog } from '../../helper.ts'
import { needsRedis } from '../../redis.ts'
import { openJobs } from './open-jobs.ts'

const skip = needsRedis()
const completed = { status: 'completed', result: '"done"' } as const
const ended = { agoMs: 0, report: undefined, claim: { count: 0, capacity: 0 } }

/** A task that runs, with what reads its events and what makes them. */
async function openStreams(t: Test) {
  const opened = await openJobs(t)
  const { connection, key, jobsOf, submit } = opened
  const cancelled: string[] = []
  const streams = new EventStreams({
    connection,
    key,
    owner: 'one',
    onCancel: (taskId) => cancelled.push(taskId),
    log: quietLog
  })
  t.teardown(() => streams.stop())
  const jobs = jobsOf('one')
  const taskId = await submit()
  await jobs.claim({ count: 1, capacity: 1 })
  await jobs.begin([taskId])
  let reports = 0
  const { signal } = new AbortController()
  return {
    ...opened,
    streams,
    taskId,
    cancelled,
    report: () =>
      jobs.progress(taskId, 1, { number: ++reports, data: `{"value":0.${reports}}`, at: Date.now() }),
    finish: () => jobs.finish({ taskId, attempt: 1 }, completed, ended),
    follow: (after?: string, until = signal) => streams.follow(taskId, after, until)
  }
}

async function all(events: AsyncIterable<readonly TaskEvent[]>): Promise<TaskEvent[]> {
  const read: TaskEvent[] = []
  for await (const some of events) read.push(...some)
  return read
}
const typesOf = (events: readonly TaskEvent[]) => events.map(({ type }) => type)

t.test('a reader gets what is kept, then what comes, up to the end', { skip }, async (t) => {
  const { follow, report, finish } = await openStreams(t)
  await report()
  const reader = follow()
  t.strictSame(typesOf((await reader.next()).value ?? []), ['task_started', 'progress_update'])
  const rest = all(reader)
  await report()
  await finish()

  t.strictSame(typesOf(await rest), ['progress_update', 'task_completed'])
})

t.test('a reader that comes back gets what follows its last event, once', { skip }, async (t) => {
  const { follow, report, finish } = await openStreams(t)
  await report()
  await report()
  const before = await follow().next()
  const [started, first] = before.value ?? []
  await finish()

  t.strictSame(typesOf(await all(follow(started?.id))), [
    'progress_update',
    'progress_update',
    'task_completed'
  ])
  t.strictSame(typesOf(await all(follow(first?.id))), ['progress_update', 'task_completed'])
})

t.test('all readers of a task get each event in one serialised form', { skip }, async (t) => {
  const { follow, report, finish } = await openStreams(t)
  const readers = Array.from({ length: 5 }, () => all(follow()))
  await report()
  await finish()

  const [first, ...others] = await Promise.all(readers)
  t.strictSame(typesOf(first ?? []), ['task_started', 'progress_update', 'task_completed'])
  for (const other of others) t.strictSame(other, first)
})

t.test('a reader that goes away ends at once', { skip }, async (t) => {
  const { follow, streams } = await openStreams(t)
  const gone = new AbortController()
  const reader = follow(undefined, gone.signal)
  await reader.next()
  const end = reader.next()
  gone.abort()
  t.match(await end, { done: true })
  t.equal(await streams.find(newTaskId()), undefined, 'nobody follows a task that is not there')
})

t.test('a task that is removed ends its readers', { skip }, async (t) => {
  const { streams, records, submit } = await openStreams(t)
  const taskId = await submit()
  const reader = streams.follow(taskId, undefined, new AbortController().signal)
  const events = all(reader)
  await records.cancel(taskId, () => {})
  t.strictSame(typesOf(await events), ['task_cancelled'])
  await records.remove(taskId)

  t.strictSame(await all(streams.follow(taskId, undefined, new AbortController().signal)), [])
})

t.test('a cancel of another process reaches the one that runs the task', { skip }, async (t) => {
  const { taskId, records, cancelled, follow, report } = await openStreams(t)
  const reader = follow()
  await reader.next()
  t.match(await records.cancel(taskId, () => {}), { was: 'running' })
  // The inbox is read with the events.
  const next = reader.next()
  await report()
  await next
  t.strictSame(cancelled, [taskId])
})
