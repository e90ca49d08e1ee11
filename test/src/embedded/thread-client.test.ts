import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Notice } from '../../../src/embedded/messages.ts'
import type { StoreOptions } from '../../../src/embedded/store-service.ts'
import { ThreadClient } from '../../../src/embedded/thread-client.ts'
import { quietLog } from '../../helper.ts'

/** A client with a thread and a store of its own. */
function open(t: Test, options: Partial<StoreOptions> = {}) {
  const notices: Notice[] = []
  let deaths = 0
  const client = new ThreadClient(
    {
      path: ':memory:',
      sync: 'full',
      maxRunning: 1,
      maxPending: 2,
      retentionMs: 60_000,
      failedRetentionMs: 60_000,
      limits: new Map(),
      ...options
    },
    quietLog,
    { notice: (notice) => notices.push(notice), died: () => deaths++ }
  )
  t.teardown(() => client.terminate())
  return { client, notices, deaths: () => deaths }
}

const task = { type: 'any', input: '1', priority: 0 }

t.test('calls are answered each with its own, and expected errors keep code and message', async (t) => {
  const { client } = open(t)
  const [[first], counts] = await Promise.all([client.call('submit', [task]), client.call('pendingCounts')])
  t.match(first, { replayed: false })
  t.match(counts, { scheduled: 0 })
  t.match(await client.call('get', first?.taskId ?? ''), { taskId: first?.taskId, status: 'pending' })

  const missing = client.call('cancel', 'no-such-task')
  await t.rejects(missing, {
    name: 'TaskError',
    code: 'TASK_NOT_FOUND',
    message: 'There is no task with the id no-such-task'
  })
  await t.rejects(client.call('submit', [task, task]), { code: 'TASK_QUEUE_FULL' })
})

t.test('what is notified comes in the order in which it happened', async (t) => {
  const { client, notices } = open(t)
  client.post('setWatching', true)
  client.post('setClaiming', true)
  await client.call('submit', [task])
  await client.call('takeShutdownReport')

  const kinds = notices.map(([kind, change]) =>
    kind === 'changed' ? (change as { type: string }).type : kind
  )
  t.strictSame(
    kinds.filter((kind) => ['task_accepted', 'claim', 'durable', 'task_started'].includes(kind)).sort(),
    ['claim', 'durable', 'task_accepted', 'task_started']
  )
  t.ok(kinds.indexOf('claim') < kinds.indexOf('durable'))
  t.ok(kinds.indexOf('task_accepted') < kinds.indexOf('task_started'))
})

t.test('a store that cannot be opened is a reason not to start', async (t) => {
  const path = join(t.testdir(), 'tasks.db')
  writeFileSync(path, 'a text, not a database')
  const { client } = open(t, { path })
  await t.rejects(client.call('interrupted'), {
    name: 'StartError',
    message: /is corrupt|not a SQLite database/
  })
})

t.test('after its end nothing is waited for', async (t) => {
  const { client, deaths } = open(t)
  await client.call('pendingCounts')
  const waiting = [client.call('pendingCounts'), client.insist('pendingCounts')]
  const refused = Promise.all(waiting.map((call) => t.rejects(call, { code: 'STORE_UNAVAILABLE' })))
  await client.terminate()

  await refused
  await t.rejects(client.call('pendingCounts'), { code: 'STORE_UNAVAILABLE', message: /it is not open/ })
  t.doesNotThrow(() => client.post('setClaiming', true))
  t.equal(deaths(), 0, 'an end that was asked for is no death')
})
