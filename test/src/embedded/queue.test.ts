import t from 'tap'
import { Attempts } from '../../../src/embedded/attempts.ts'
import { Availability } from '../../../src/embedded/availability.ts'
import { openDatabase } from '../../../src/embedded/database.ts'
import { Queue } from '../../../src/embedded/queue.ts'
import { Transactions } from '../../../src/embedded/transactions.ts'
import { quietLog } from '../../helper.ts'
import { openService } from '../../open-store-service.ts'

const completed = { status: 'completed', result: 'null' } as const

t.test('free slots take the highest priority first, then what came first', async (t) => {
  const { service, claims, submit, transaction } = openService(t)
  for (const [type, priority] of [
    ['low', 0],
    ['middle', 5],
    ['later', 0],
    ['high', 10]
  ] as const)
    await submit(type, priority)
  t.strictSame(claims(), [], 'nothing is claimed before that is asked for')

  service.setClaiming(true)
  await transaction()
  t.strictSame(
    claims().map(({ type }) => type),
    ['high', 'middle'],
    'two slots'
  )
  for (const { number } of claims()) await service.finish(number, completed, Date.now())
  await transaction()
  t.strictSame(
    claims().map(({ type }) => type),
    ['high', 'middle', 'low', 'later']
  )
  t.strictSame(service.pendingCounts(), { pending: 0, scheduled: 0 })
})

t.test('a type runs as often as its limit allows, and others pass it', async (t) => {
  const { service, claims, submit, transaction } = openService(t, {
    maxRunning: 3,
    limits: new Map([['scarce', 1]])
  })
  for (const type of ['scarce', 'scarce', 'plain']) await submit(type)
  service.setClaiming(true)
  await transaction()
  const types = () => claims().map(({ type }) => type)
  t.strictSame(types(), ['scarce', 'plain'])

  await service.finish(claims()[0]?.number ?? 0, completed, Date.now())
  await transaction()
  t.strictSame(types(), ['scarce', 'plain', 'scarce'])
})

t.test('a batch that the queue has no room for leaves nothing behind', async (t) => {
  const { service, submit } = openService(t, { maxPending: 3 })
  await submit('any')
  await submit('any')
  const task = { type: 'any', input: '1', priority: 0 }
  await t.rejects(service.submit([task, task]), { code: 'TASK_QUEUE_FULL' })
  t.strictSame(service.pendingCounts(), { pending: 2, scheduled: 0 })
})

t.test('a batch that uses a key for two bodies leaves nothing behind', async (t) => {
  const { service } = openService(t)
  const task = (fingerprint: string) => ({
    type: 'any',
    input: '1',
    priority: 0,
    idempotency: { key: 'k', fingerprint }
  })
  await t.rejects(service.submit([task('a'), task('b')]), { code: 'IDEMPOTENCY_KEY_REUSED' })
  t.strictSame(service.pendingCounts(), { pending: 0, scheduled: 0 })

  const [first, second] = await service.submit([task('a'), task('a')])
  t.equal(second?.taskId, first?.taskId, 'the same body is the same task')
  t.equal(second?.replayed, true)
})

t.test('a task that is due later takes no slot, and is counted apart', async (t) => {
  const { service, claims, transaction } = openService(t)
  service.setClaiming(true)
  const [{ taskId = '' } = {}] = await service.submit([
    { type: 'any', input: '1', priority: 0, runAt: Date.now() + 3_600_000 }
  ])
  await transaction()
  t.strictSame(claims(), [])
  t.strictSame(service.pendingCounts(), { pending: 0, scheduled: 1 })

  t.equal((await service.cancel(taskId)).status, 'cancelled')
  t.strictSame(service.pendingCounts(), { pending: 0, scheduled: 0 })
})

t.test('a disk that cannot be read for a moment does not lose a task that waits for its time', async (t) => {
  const availability = new Availability(undefined, quietLog)
  const claimed: string[] = []
  const transactions = new Transactions(
    openDatabase(':memory:'),
    undefined,
    availability,
    () => queue.claim(),
    (notice) => notice[0] === 'claim' && claimed.push(notice[2].taskId)
  )
  const queue = new Queue(transactions, new Attempts(transactions), {
    maxRunning: 1,
    maxPending: 1,
    limits: new Map()
  })
  t.teardown(() => {
    queue.stop()
    availability.stop()
  })
  const { nextDelayed } = transactions.store
  let failures = 2
  transactions.store.nextDelayed = function () {
    if (failures-- > 0) throw new Error('disk I/O error')
    return nextDelayed.call(this)
  }
  queue.isClaiming = true
  const task = { type: 'any', input: '1', priority: 0, runAt: Date.now() + 50 }
  const [{ taskId = '' } = {}] = await transactions.write(() => queue.submit([task]))

  while (claimed.length === 0) await transactions.write(() => {})
  t.strictSame(claimed, [taskId])
})
