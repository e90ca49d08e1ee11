import t from 'tap'
import { openDatabase } from '../../../src/embedded/database.ts'
import { searchStore } from '../../../src/embedded/search.ts'
import { Store } from '../../../src/embedded/store.ts'
import type { TaskSearch } from '../../../src/engine.ts'
import { statuses, type TaskStatus } from '../../../src/task.ts'
import { epoch, positionsPerMs, taskIdAt } from '../../../src/task-id.ts'
import { chooseSeed, seededRandom } from '../../system/random.ts'

const seed = chooseSeed()
const types = ['bom', 'demo', 'links']
const teams = ['a', 'b', 'c']
const stages = ['dev', 'live']

interface Known {
  seq: number
  type: string
  status: TaskStatus
  createdAt: number
  labels: string[]
  isCancelling: boolean
  wasRetried: boolean
}

/** A store of tasks whose every trait is drawn, and what is known of them. */
function fill(count: number) {
  const random = seededRandom(seed)
  const db = openDatabase(':memory:')
  const store = new Store(db)
  const known: Known[] = []
  for (let n = 0; n < count; n++) {
    const createdAt = epoch + 1_000 + n * 2
    const seq = (createdAt - epoch) * positionsPerMs + random.below(positionsPerMs)
    const type = random.pick(types)
    const labels = {
      ...(random.next() < 0.5 && { team: random.pick(teams) }),
      ...(random.next() < 0.5 && { stage: random.pick(stages) })
    }
    const status = random.pick(statuses)
    const first = status === 'pending' ? 'pending' : 'running'
    const row = store.insertTask(
      seq,
      taskIdAt(seq),
      { type, input: '1', priority: 0, labels },
      first,
      createdAt
    )
    const isCancelling = status === 'running' && random.next() < 0.3
    if (isCancelling) store.requestCancel(seq)
    if (status !== 'pending' && status !== 'running') store.finish(row, false, status, createdAt + 1)
    const retried = known.at(-1)
    if (retried && random.next() < 0.2) {
      db.prepare('UPDATE tasks SET retried_as = ? WHERE seq = ?').run(row.task_id, retried.seq)
      retried.wasRetried = true
    }
    const named = Object.entries(labels).map(([key, value]) => `${key}:${value}`)
    known.push({ seq, type, status, createdAt, labels: named, isCancelling, wasRetried: false })
  }
  return { random, db, store, known }
}

const matches = (task: Known, search: TaskSearch) =>
  search.statuses.includes(task.status) &&
  (search.type === undefined || search.type === task.type) &&
  search.labels.every((label) => task.labels.includes(label)) &&
  (search.createdBefore === undefined || task.createdAt < search.createdBefore) &&
  (search.createdAfter === undefined || task.createdAt > search.createdAfter) &&
  !(search.except === 'cancelling' && task.isCancelling) &&
  !(search.except === 'retried' && task.wasRetried)

t.test(`a search finds what a look at every task finds, newest first (LASTCALL_SEED=${seed})`, async (t) => {
  const { random, db, store, known } = fill(600)
  t.teardown(() => db.close())
  const maybe = <T>(value: () => T): T | undefined => (random.next() < 0.5 ? value() : undefined)
  const time = () => random.pick(known).createdAt

  for (let n = 0; n < 300; n++) {
    const type = maybe(() => random.pick([...types, 'none']))
    const createdBefore = maybe(time)
    const createdAfter = maybe(time)
    const except = maybe(() => random.pick(['cancelling', 'retried'] as const))
    const labels = [
      maybe(() => `team:${random.pick(teams)}`),
      maybe(() => `stage:${random.pick(stages)}`)
    ].filter((label) => label !== undefined)
    const search: TaskSearch = {
      statuses: statuses.filter(() => random.next() < 0.6),
      labels,
      ...(type !== undefined && { type }),
      ...(createdBefore !== undefined && { createdBefore }),
      ...(createdAfter !== undefined && { createdAfter }),
      ...(except !== undefined && { except })
    }
    const limit = 1 + random.below(120)
    const before = maybe(() => random.pick(known).seq) ?? Number.MAX_SAFE_INTEGER
    const expected = known
      .filter((task) => task.seq < before && matches(task, search))
      .map(({ seq }) => seq)
      .reverse()
      .slice(0, limit)

    const steps = searchStore(store, search, before, limit)
    let step = steps.next()
    while (!step.done) step = steps.next()
    t.strictSame(step.value, expected, JSON.stringify({ search, before, limit }))
  }
})

t.test('a search that finds nothing lets others be answered meanwhile', async (t) => {
  const { db, store } = fill(3_000)
  t.teardown(() => db.close())

  const steps = searchStore(
    store,
    { statuses: [...statuses], labels: [], createdBefore: epoch + 10_000, except: 'retried' },
    Number.MAX_SAFE_INTEGER,
    5_000
  )
  let pauses = 0
  for (let step = steps.next(); !step.done; step = steps.next()) pauses++
  t.ok(pauses >= 10, `${pauses} pauses in 3,000 tasks`)
})

t.test('a task that changes its status while it is searched is found once', async (t) => {
  const db = openDatabase(':memory:')
  t.teardown(() => db.close())
  const store = new Store(db)
  const insert = (seq: number) =>
    store.insertTask(seq, taskIdAt(seq), { type: 'any', input: '1', priority: 0 }, 'running', 1)
  const rows = Array.from({ length: 250 }, (_, n) => insert(n + 1))

  const steps = searchStore(store, { statuses: ['running', 'failed'], labels: [], type: 'any' }, 1_000, 400)
  t.notOk(steps.next().done)
  const newest = rows.at(-1)
  if (newest) store.finish(newest, false, 'failed', 2)
  let step = steps.next()
  while (!step.done) step = steps.next()
  t.equal(step.value.length, 250)
  t.equal(new Set(step.value).size, 250)
})
