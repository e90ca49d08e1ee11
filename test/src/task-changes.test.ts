import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { TaskChanges } from '../../src/task-changes.ts'

const change = (
  type: 'task_started' | 'progress_update' | 'task_completed',
  data: string,
  more: object = {}
) => ({
  taskId: 'one',
  taskType: 'echo',
  labels: undefined,
  type,
  at: 0,
  data,
  ...more
})

/** A set of changes, whether the engine reports them, and a reader of them. */
async function watch(filter: object = {}) {
  const states: boolean[] = []
  const changes = new TaskChanges(async (watching) => void states.push(watching))
  const stop = new AbortController()
  const batches = await changes.watch({ labels: [], progress: false, ...filter }, stop.signal)
  const iterator = batches[Symbol.asyncIterator]()
  return { changes, states, stop, next: async () => (await iterator.next()).value }
}

t.test('changes are reported while somebody watches, and no longer', async (t) => {
  const { states, stop, next } = await watch()
  t.strictSame(states, [true])
  const ended = next()

  stop.abort()

  t.equal(await ended, undefined)
  t.strictSame(states, [true, false])
})

t.test('what was not read yet comes in one batch', async (t) => {
  const { changes, next } = await watch()
  changes.publish(change('task_started', '{"attempt":1}'))
  changes.publish(change('task_completed', '2'))

  const batch = await next()

  t.equal(batch?.count, 2)
  t.equal(
    batch?.text,
    'event: task_started\ndata: {"taskId":"one","type":"task_started","taskType":"echo","timestamp":"1970-01-01T00:00:00.000Z","data":{"attempt":1}}\n\n' +
      'event: task_completed\ndata: {"taskId":"one","type":"task_completed","taskType":"echo","timestamp":"1970-01-01T00:00:00.000Z","data":2}\n\n'
  )
})

t.test('what follows a batch within 50 ms comes in one batch, too', async (t) => {
  const { changes, next } = await watch()
  changes.publish(change('task_started', '1'))
  t.equal((await next())?.count, 1)

  const following = next()
  changes.publish(change('task_started', '2'))
  await Promise.resolve()
  changes.publish(change('task_completed', '3'))

  t.equal((await following)?.count, 2)
})

t.test('of unread progress only the latest is kept, in order with what came after the first', async (t) => {
  const { changes, next } = await watch({ progress: true })
  changes.publish(change('progress_update', '{"value":0.1}'))
  changes.publish(change('task_started', '{}', { taskId: 'two' }))
  changes.publish(change('progress_update', '{"value":0.2}'))

  const batch = await next()

  t.equal(batch?.count, 2)
  t.match(batch?.text, /"taskId":"two"[\s\S]*"value":0\.2/)
  t.notMatch(batch?.text, '0.1')
})

t.test('filters by type and labels, and leaves progress out unless it is wanted', async (t) => {
  const { changes, next } = await watch({ type: 'echo', labels: ['team:a'] })
  const labels = { team: 'a' }
  changes.publish(change('task_started', '1', { labels, taskType: 'other' }))
  changes.publish(change('task_started', '2', { labels: { team: 'b' } }))
  changes.publish(change('task_started', '3'))
  changes.publish(change('progress_update', '4', { labels }))
  changes.publish(change('task_started', '5', { labels }))

  const batch = await next()

  t.equal(batch?.count, 1)
  t.match(batch?.text, '"data":5')
})

t.test('a reader that is too slow, or missed changes, is sent away', async (t) => {
  const slow = await watch()
  const result = JSON.stringify('x'.repeat(1024 * 1024))
  for (let n = 0; n < 6; n++) slow.changes.publish(change('task_completed', result))
  t.equal(await slow.next(), undefined)

  const unlucky = await watch()
  const ended = unlucky.next()
  unlucky.changes.end()
  t.equal(await ended, undefined)
})

t.test('a reader that is stuck holds nothing of what it will never read', async (t) => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const { changes, next } = await watch()
  changes.publish(change('task_started', '{}'))
  await next()
  gc()
  const before = process.memoryUsage().heapUsed
  for (let n = 0; n < 100; n++)
    changes.publish(
      change('task_completed', JSON.stringify(Buffer.alloc(2 ** 20, 97 + (n % 26)).toString('latin1')))
    )

  gc()
  const grownMiB = (process.memoryUsage().heapUsed - before) / 2 ** 20
  t.ok(grownMiB < 16, `${grownMiB} MiB of 100`)
  t.equal(await next(), undefined, 'it is sent away')
})
