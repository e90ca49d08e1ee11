import t from 'tap'
import { heldTask } from '../helper.ts'
import { startService } from '../start-task-service.ts'

t.test('a paused executor claims nothing more, and is idle when what it runs has ended', async (t) => {
  const held = heldTask()
  const { service, executor } = await startService(t, [held.type], { maxRunning: 1 })
  const first = await service.startTask({ type: 'held', input: 1 })
  const second = await service.startTask({ type: 'held', input: 2 })
  const run = await held.started()
  t.equal(executor.activeCount, 1)
  t.ok(executor.isClaimed(first.taskId))

  executor.pause()
  const idle = executor.idle()
  run.release()
  await idle
  t.equal(executor.remaining(), 0)
  t.equal((await service.getTask(first.taskId)).status, 'completed')
  t.equal((await service.getTask(second.taskId)).status, 'pending')

  executor.resume()
  ;(await held.started(1)).release()
  await executor.idle()
  t.equal((await service.getTask(second.taskId)).status, 'completed')
})

t.test('an executor that drains pending tasks too is idle when none is left', async (t) => {
  const held = heldTask()
  const { service, executor } = await startService(t, [held.type], { maxRunning: 1, drainPending: true })
  const tasks = await service.startTasks({
    tasks: [
      { type: 'held', input: 1 },
      { type: 'held', input: 2 }
    ]
  })
  executor.pause()
  const idle = executor.idle()
  for (const n of tasks.keys()) (await held.started(n)).release()
  await idle
  for (const { taskId } of tasks) t.equal((await service.getTask(taskId)).status, 'completed')
})

t.test('at the deadline each task gets what its type asks for', async (t) => {
  const requeued = heldTask({ type: 'requeued', onShutdown: 'requeue' })
  const cancelled = heldTask({ type: 'cancelled', onShutdown: 'cancel' })
  const { service, executor } = await startService(t, [requeued.type, cancelled.type])
  const [again, never] = await service.startTasks({
    tasks: [
      { type: 'requeued', input: 1 },
      { type: 'cancelled', input: 1 }
    ]
  })
  const runs = [await requeued.started(), await cancelled.started()]
  const ended: string[] = []
  executor.onEnded((taskId) => ended.push(taskId))

  t.strictSame(await executor.cancel(), { forced: false }, 'both stopped by themselves')
  for (const { ctx } of runs) t.match(ctx.signal.reason, { code: 'shutdown' })
  t.match(await service.getTask(again?.taskId ?? ''), { status: 'pending', attempt: 1 })
  t.match(await service.getTask(never?.taskId ?? ''), { status: 'cancelled', cancelReason: 'shutdown' })
  t.strictSame(ended, [never?.taskId], 'one has ended')
})

t.test('in a store that is gone with the process nothing stays pending', async (t) => {
  const held = heldTask()
  const { service, executor } = await startService(t, [held.type], { maxRunning: 1, isVolatile: true })
  await service.startTask({ type: 'held', input: 1 })
  const { taskId } = await service.startTask({ type: 'held', input: 2 })
  const run = await held.started()
  executor.pause()
  run.release()
  await executor.idle()
  await executor.cancelPending()
  t.match(await service.getTask(taskId), { status: 'cancelled', cancelReason: 'shutdown' })
})
