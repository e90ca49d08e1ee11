import t from 'tap'
import { openDatabase } from '../../../src/embedded/database.ts'
import { prepareAll } from '../../../src/embedded/statements.ts'
import { Store } from '../../../src/embedded/store.ts'
import { taskIdAt } from '../../../src/task-id.ts'

t.test('no statement sorts or reads a whole table', async (t) => {
  const db = openDatabase(':memory:')

  for (const [name, { sourceSQL }] of Object.entries(prepareAll(db))) {
    const plan: { detail: string }[] = db.prepare(`EXPLAIN QUERY PLAN ${sourceSQL}`).all()
    const costly = plan
      .map(({ detail }) => detail)
      .filter((detail) => /TEMP B-TREE|^SCAN (?!.*USING.*INDEX)/.test(detail))
    t.strictSame(costly, [], name)
  }
})

t.test(
  'a long result is kept apart from the events, where each look for another would read it',
  async (t) => {
    const db = openDatabase(':memory:')
    const store = new Store(db)
    const long = JSON.stringify('x'.repeat(2000))
    const task = { type: 'any', input: '{}', priority: 0 }
    const ids = [long, '"short"'].map((result, n) => {
      const taskId = taskIdAt(n + 1)
      const row = store.insertTask(n + 1, taskId, task, 'running', 1)
      store.finish(row, false, 'completed', 2)
      store.appendEvent(n + 1, { id: 2, type: 'task_completed', at: 2, data: result })
      return taskId
    })

    t.equal(db.prepare('SELECT max(length(data)) AS longest FROM events').get()?.longest, '"short"'.length)
    for (const [n, result] of [long, '"short"'].entries()) {
      t.equal(store.eventsAfter(n + 1, 1, 10)[0]?.data, result, 'its reader gets it whole')
      t.equal(store.byId(ids[n] ?? '')?.final_data, result, 'so does who asks for the record')
    }
    store.deleteTask(1)
    t.equal(db.prepare('SELECT count(*) AS n FROM results').get()?.n, 0, 'it goes with its task')
  }
)
