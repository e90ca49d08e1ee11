import t from 'tap'
import { heldTask } from '../helper.ts'
import { startService } from '../start-task-service.ts'

const unknown = '00000000-0000-7000-8000-000000000000'

t.test('a retry is a new task with the input, priority and labels of the finished one', async (t) => {
  const held = heldTask()
  const { service } = await startService(t, [held.type])
  const task = { type: 'held', input: { n: 1 }, priority: 7, labels: { team: 'parts' } }
  const { taskId } = await service.startTask(task)
  const run = await held.started()
  await t.rejects(service.retryTask(taskId), { code: 'TASK_NOT_FINISHED' })
  await t.rejects(service.retryTask(unknown), { code: 'TASK_NOT_FOUND' })
  run.fail(new Error('no such part'))
  await service.ended(taskId, new AbortController().signal)

  const retry = await service.retryTask(taskId, 'key')
  t.match(await service.getTask(retry.taskId, { input: true }), { ...task, retryOf: taskId })
  t.match(await service.getTask(taskId), { status: 'failed', retriedAs: retry.taskId })
  t.match(await service.retryTask(taskId, 'key'), { taskId: retry.taskId, replayed: true })
  ;(await held.started(1)).release()
})

t.test('what matches a filter is cancelled, retried once and deleted', async (t) => {
  const held = heldTask()
  const { service } = await startService(t, [held.type], { maxRunning: 1 })
  const labels = { team: 'parts' }
  const tasks = [1, 2, 3].map((n) => ({ type: 'held', input: n, labels }))
  await service.startTasks({ tasks })
  await service.startTask({ type: 'held', input: 'another' })
  const filter = { labels }
  const limit = 100
  const run = await held.started()

  t.match(await service.cancelTasks({ filter, limit }), { done: 3, more: false })
  t.match(await service.cancelTasks({ filter, limit }), { done: 0, more: false }, 'each is cancelled once')
  t.ok(run.ctx.signal.aborted)
  const cancelled = { ...filter, status: 'cancelled' as const }
  await (await held.started(1)).release()
  const accepted: string[] = []
  const retry = () =>
    service.retryTasks({ filter: cancelled, limit }, {}, ({ taskId }) => accepted.push(taskId))
  t.match(await retry(), { done: 3, more: false })
  t.equal(accepted.length, 3)
  t.match(await retry(), { done: 0, more: false }, 'each is retried once')

  t.match(await service.removeTasks({ filter: cancelled, limit }), { done: 3, more: false })
  await t.rejects(service.removeTasks({ filter: {}, limit }), { code: 'FILTER_EMPTY' })
  t.equal((await service.listTasks({ limit: 10 })).tasks.length, 4)
})

t.test('a service that is shut down accepts nothing, and its store is closed', async (t) => {
  const held = heldTask()
  const { service } = await startService(t, [held.type])
  const { taskId } = await service.startTask({ type: 'held', input: 1 })
  const run = await held.started()
  t.equal(service.getActiveTaskCount(), 1)
  t.equal(service.state, 'ready')

  const stopped = service.shutdown()
  await t.rejects(service.startTask({ type: 'held', input: 2 }), { code: 'SERVICE_DRAINING' })
  t.equal(service.shutdown(), stopped, 'a second call waits for the first')
  await stopped
  t.ok(run.ctx.signal.aborted)
  t.equal(service.state, 'stopped')
  await t.rejects(service.getTask(taskId), { code: 'STORE_UNAVAILABLE' })
  await t.rejects(service.check())
})

t.test('no other process can serve the tasks of an embedded store', async (t) => {
  const { service } = await startService(t, [heldTask().type])
  t.notOk(service.isRemote(undefined))
  t.notOk(service.isRemote(unknown))
})

t.test('a retry with a key is replayed also when the task that it repeats is gone', async (t) => {
  const held = heldTask()
  const { service } = await startService(t, [held.type])
  const { taskId } = await service.startTask({ type: 'held', input: 1 })
  ;(await held.started()).release()
  await service.ended(taskId, new AbortController().signal)
  const retry = await service.retryTask(taskId, 'key')
  await service.removeTask(taskId)

  t.strictSame(await service.retryTask(taskId, 'key'), { taskId: retry.taskId, replayed: true, type: 'held' })
  await t.rejects(service.retryTask(taskId, 'another'), { code: 'TASK_NOT_FOUND' })
  await t.rejects(service.retryTask(taskId), { code: 'TASK_NOT_FOUND' })
  ;(await held.started(1)).release()
})
