import t, { type Test } from 'tap'
import { Availability } from '../../../src/embedded/availability.ts'
import { openDatabase } from '../../../src/embedded/database.ts'
import type { Notice } from '../../../src/embedded/messages.ts'
import { Transactions } from '../../../src/embedded/transactions.ts'
import { taskIdAt } from '../../../src/task-id.ts'
import { quietLog } from '../../helper.ts'

const ids = Array.from({ length: 3 }, (_, seq) => taskIdAt(seq))
const [, firstId = ''] = ids

/** Transactions of a store in memory, and their notices. */
function open(t: Test) {
  const db = openDatabase(':memory:')
  const availability = new Availability(undefined, quietLog)
  t.teardown(() => availability.stop())
  const notices: Notice[] = []
  const transactions = new Transactions(
    db,
    undefined,
    availability,
    () => {},
    (notice) => notices.push(notice)
  )
  const insert = (seq: number) =>
    transactions.store.insertTask(
      seq,
      ids[seq] ?? '',
      { type: 'any', input: '1', priority: 0, labels: { team: 'parts' } },
      'running',
      1
    )
  return { transactions, availability, insert, notices, names: () => notices.map(([name]) => name) }
}

t.test('an event is notified when it is durable, and only to those who follow its task', async (t) => {
  const { transactions, insert, notices, names } = open(t)
  transactions.followed.set(firstId, 7)
  const written = transactions.write(() => {
    for (const seq of [1, 2]) transactions.append(insert(seq), 1, 'task_started', '{"attempt":1}', 5)
    t.strictSame(notices, [], 'not within the transaction')
  })

  await written
  t.strictSame(names().sort(), ['committed', 'event'])
  t.match(
    notices.find(([name]) => name === 'event'),
    ['event', firstId, 7, { id: '1', type: 'task_started' }]
  )
})

t.test('whoever watches is notified of every change, with the labels of its task', async (t) => {
  const { transactions, insert, notices } = open(t)
  transactions.isWatching = true
  await transactions.write(() => transactions.append(insert(1), 1, 'task_started', '{"attempt":1}', 5))

  t.match(
    notices.filter(([name]) => name === 'changed'),
    [
      [
        'changed',
        { taskId: firstId, taskType: 'any', type: 'task_started', labels: { team: 'parts' }, at: 5 }
      ]
    ]
  )
})

t.test('a transaction that fails leaves no task, no count and no notice', async (t) => {
  const { transactions, availability, insert, notices } = open(t)
  transactions.isWatching = true
  const effects: string[] = []
  const write = transactions.write(() => {
    transactions.append(insert(1), 1, 'task_started', '{"attempt":1}', 5)
    transactions.change.pending += 1
    transactions.change.whenCommitted.push(() => effects.push('committed'))
    throw new Error('the disk is full')
  })

  await t.rejects(write, { code: 'STORE_UNAVAILABLE', message: /the disk is full/ })
  t.equal(transactions.pending, 0)
  t.equal(transactions.store.byId(firstId), undefined)
  t.strictSame(notices, [])
  t.strictSame(effects, [])
  t.ok(availability.hasFailed)

  await transactions.write(() => {
    insert(1)
    transactions.change.pending += 1
  })
  t.equal(transactions.pending, 1)
  t.notOk(availability.hasFailed, 'the next that succeeds says that the store works')
})

t.test('what is read waits until all that was committed before is durable', async (t) => {
  const { transactions, insert } = open(t)
  const order: string[] = []
  const write = transactions.write(() => void insert(1)).then(() => order.push('written'))
  transactions.schedule()
  await write
  const status = await transactions.read((store) => store.byId(firstId)?.status)
  order.push('read')

  t.equal(status, 'running')
  t.strictSame(order, ['written', 'read'])
})

t.test('a read that fails says that the store is unavailable', async (t) => {
  const { transactions } = open(t)
  const fail = () => {
    throw new Error('disk I/O error')
  }
  t.throws(() => transactions.readNow(fail), { code: 'STORE_UNAVAILABLE', message: /disk I\/O error/ })
  await t.rejects(transactions.read(fail), { code: 'STORE_UNAVAILABLE' })
})

t.test('the followers of a deleted task are told', async (t) => {
  const { transactions, insert, notices } = open(t)
  const row = await transactions.write(() => insert(1))
  transactions.followed.set(row.task_id, 7)
  await transactions.write(() => transactions.delete(row))

  t.match(notices, [['committed'], ['removed', row.task_id], ['committed']])
})
