import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/embedded/database.ts'
import { Store } from '../../../src/embedded/store.ts'
import { taskIdAt } from '../../../src/task-id.ts'

const task = { type: 'any', input: '{}', priority: 0 }

function open(t: Test) {
  const db = openDatabase(':memory:')
  t.teardown(() => db.close())
  const store = new Store(db)
  const count = (table: string) => db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n
  return { db, store, events: store.events, count }
}

t.test('reads what follows an id, in order, and no more than is asked for', async (t) => {
  const { events } = open(t)
  for (let id = 1; id <= 6; id++)
    events.append(1, { id, type: 'progress_update', at: id, data: `{"value":${id}}` })
  events.append(2, { id: 1, type: 'task_started', at: 1, data: '{}' })

  const ids = (after: number, limit: number) => events.after(1, after, limit).map(({ id }) => id)
  t.strictSame(ids(0, 100), [1, 2, 3, 4, 5, 6])
  t.strictSame(ids(4, 100), [5, 6])
  t.strictSame(ids(6, 100), [])
  for (const limit of [1, 2, 3, 4])
    t.strictSame(ids(0, limit), [1, 2, 3, 4].slice(0, limit), `limit ${limit}`)
})

t.test('keeps the latest thousand events, and every change of state', async (t) => {
  const { events, count } = open(t)
  events.append(1, { id: 1, type: 'task_started', at: 1, data: '{}' })
  for (let id = 2; id <= 1_500; id++) events.append(1, { id, type: 'progress_update', at: id, data: '{}' })

  t.equal(count('events'), 1_001)
  t.strictSame(
    events.after(1, 0, 2).map(({ id, type }) => ({ id, type })),
    [
      { id: 1, type: 'task_started' },
      { id: 501, type: 'progress_update' }
    ]
  )
})

t.test('a long result is kept apart, where no look for another event reads it', async (t) => {
  const { db, store, events, count } = open(t)
  const long = JSON.stringify('x'.repeat(2000))
  const results = [long, '"short"']
  const ids = results.map((result, n) => {
    const taskId = taskIdAt(n + 1)
    const row = store.insertTask(n + 1, taskId, task, 'running', 1)
    store.finish(row, false, 'completed', 2)
    events.append(n + 1, { id: 2, type: 'task_completed', at: 2, data: result })
    return taskId
  })

  t.equal(db.prepare('SELECT max(length(data)) AS longest FROM events').get()?.longest, '"short"'.length)
  for (const [n, result] of results.entries()) {
    t.equal(events.after(n + 1, 1, 10)[0]?.data, result, 'a reader of its events gets it whole')
    t.equal(store.byId(ids[n] ?? '')?.final_data, result, 'so does whoever asks for the record')
  }
  store.deleteTask(1)
  t.equal(count('results'), 0, 'it goes with its task')
})
