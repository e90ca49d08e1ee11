import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/embedded/database.ts'
import { Store } from '../../../src/embedded/store.ts'
import type { Submission } from '../../../src/engine.ts'
import { taskIdAt } from '../../../src/task-id.ts'

function open(t: Test) {
  const db = openDatabase(':memory:')
  t.teardown(() => db.close())
  const store = new Store(db)
  let last = 0
  const insert = (
    task: Partial<Submission> = {},
    status: 'pending' | 'running' = 'pending',
    now = Date.now()
  ) => {
    const seq = ++last
    return store.insertTask(
      seq,
      taskIdAt(seq),
      { type: 'any', input: '{}', priority: 0, ...task },
      status,
      now
    )
  }
  const claim = () => store.claimNext(1)?.seq
  return { store, insert, claim }
}

t.test('claims by priority, and in the order of acceptance within one', async (t) => {
  const { insert, claim } = open(t)
  for (const priority of [0, 5, 0, 9, 5]) insert({ priority })

  t.strictSame([claim(), claim(), claim(), claim(), claim(), claim()], [4, 2, 5, 1, 3, undefined])
})

t.test('a claim begins the next attempt, without the progress of the one before', async (t) => {
  const { store, insert } = open(t)
  const row = insert({}, 'running')
  store.setProgress(1, 1, '0.5')
  store.requeue(row, false, 'failures', 0, false)

  t.match(store.claimNext(7), { status: 'running', attempt: 2, failures: 1, progress: '', started_at: 7 })
})

t.test('parked tasks are out of the queue until one of their type may run', async (t) => {
  const { store, insert, claim } = open(t)
  for (const type of ['limited', 'limited', 'other']) insert({ type })
  store.park(1)
  store.park(2)

  t.match(store.nextQueued(), { seq: 3, type: 'other' })
  store.unpark('limited')
  t.equal(claim(), 1, 'the first of them joins it again')
  t.equal(claim(), 3)
  t.equal(claim(), undefined)
  store.unparkAll()
  t.equal(claim(), 2)
})

t.test('an attempt that is over changes nothing', async (t) => {
  const { store, insert } = open(t)
  const first = insert({}, 'running')
  store.requeue(first, false, 'requeues', 0, false)
  store.claimNext(1)

  t.equal(store.setProgress(1, 1, '0.9'), undefined)
  t.equal(store.requeue(first, false, 'requeues', 0, false), undefined)
  t.equal(store.finish(first, false, 'completed', 2), undefined)
  t.match(store.byId(first.task_id), { status: 'running', attempt: 2, progress: '' })
})

t.test('a task whose cancel was requested is not ended as if it were not', async (t) => {
  const { store, insert } = open(t)
  const row = insert({}, 'running')
  store.requestCancel(1)

  t.equal(store.finish(row, false, 'completed', 2), undefined)
  t.equal(store.finish(row, true, 'cancelled', 2), 2)
})

t.test('a finished task keeps no checkpoint', async (t) => {
  const { store, insert } = open(t)
  const row = insert({}, 'running')
  store.saveCheckpoint(1, '"one"')
  store.saveCheckpoint(1, '"two"')
  t.equal(store.checkpoint(1), '"two"')

  store.finish(row, false, 'completed', 2)
  t.equal(store.checkpoint(1), undefined)
})

t.test(
  'a long input is kept apart from the row that each change rewrites, and read all the same',
  async (t) => {
    const { store, insert } = open(t)
    const long = JSON.stringify('x'.repeat(2_000))
    const [short, apart] = [insert({ input: '"short"' }), insert({ input: long })]

    t.equal(apart.input, null)
    t.strictSame([store.input(short), store.input(apart)], ['"short"', long])
  }
)

t.test(
  'a scheduled task joins the queue when the wall clock says so, one in backoff by the steady clock',
  async (t) => {
    const { store, insert, claim } = open(t)
    insert({ runAt: Date.now() + 60_000 })
    const failed = insert({}, 'running')
    store.requeue(failed, false, 'failures', Number.MAX_SAFE_INTEGER, true)

    t.equal(claim(), undefined)
    t.strictSame(store.countPending(), { pending: 1, scheduled: 1 })
    const inMs = store.nextDelayed() ?? 0
    t.ok(inMs > 50_000 && inMs <= 60_000, `the next is due in ${inMs} ms`)
    t.ok(store.isScheduled(1))
    t.notOk(store.isScheduled(2))

    insert({ runAt: Date.now() - 1_000 }, 'pending', Date.now() - 60_000)
    t.equal(store.nextDelayed(), 0)
    t.equal(store.releaseDelayed(), 1)
    t.equal(claim(), 3)
    t.equal(claim(), undefined)
  }
)

t.test('a retry is named in the task that it retries', async (t) => {
  const { store, insert } = open(t)
  const failed = insert({}, 'running')
  store.finish(failed, false, 'failed', 2)
  const retry = insert({ retryOf: { taskId: failed.task_id, once: false } })

  t.match(store.byId(failed.task_id), { retried_as: retry.task_id })
  t.match(store.byId(retry.task_id), { retry_of: failed.task_id })
})

t.test('finished tasks are found when their retention is over, failed ones by their own', async (t) => {
  const { store, insert } = open(t)
  for (const status of ['completed', 'failed', 'cancelled'] as const)
    store.finish(insert({}, 'running'), false, status, 2)
  insert({}, 'running')

  const never = Number.NEGATIVE_INFINITY
  const always = Number.POSITIVE_INFINITY
  const seqs = (time: number, failedTime: number) =>
    store.endedBefore(time, failedTime, 10).map(({ seq }) => seq)
  t.strictSame(seqs(never, never), [])
  t.strictSame(seqs(always, never), [1, 3])
  t.strictSame(seqs(never, always), [2])
})

t.test('a page, newest first, shows why a task failed and never what it returned', async (t) => {
  const { store, insert } = open(t)
  for (const status of ['completed', 'failed'] as const) {
    const row = insert({}, 'running')
    store.events.append(row.seq, { id: 2, type: `task_${status}`, at: 2, data: `"${status}"` })
    store.finish(row, false, status, 2)
  }
  insert()

  t.strictSame(
    store.page(Number.MAX_SAFE_INTEGER, 10).map(({ seq, final_data }) => ({ seq, final_data })),
    [
      { seq: 3, final_data: null },
      { seq: 2, final_data: '"failed"' },
      { seq: 1, final_data: null }
    ]
  )
  t.strictSame(
    store.page(3, 1).map(({ seq }) => seq),
    [2]
  )
})

t.test('knows the types of all tasks, or of those with a label', async (t) => {
  const { store, insert } = open(t)
  insert({ type: 'b', labels: { team: 'parts' } })
  insert({ type: 'a' })
  insert({ type: 'b' })

  t.strictSame(store.types(), ['a', 'b'])
  t.strictSame(store.types('team:parts'), ['b'])
  t.match(store.newest('team:parts', 'b', 'pending', 10, 10), [{ seq: 1 }])
})
