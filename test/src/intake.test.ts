import t from 'tap'
import type { TaskMetrics } from '../../src/task-metrics.ts'
import { heldTask } from '../helper.ts'
import { startService } from '../start-task-service.ts'

const held = heldTask({ input: { type: 'number' } })

async function rejections({ rejected }: TaskMetrics): Promise<Record<string, number>> {
  const { values } = await rejected.get()
  return Object.fromEntries(values.map(({ labels, value }) => [labels.reason, value]))
}

t.test('what is wrong with a task is said, counted, and leaves nothing behind', async (t) => {
  const { service, metrics } = await startService(t, [held.type], { maxRunning: 1, maxPending: 1 })
  await t.rejects(service.startTask({ type: 'none', input: 1 }), {
    code: 'TASK_TYPE_UNKNOWN',
    message: /held/
  })
  await t.rejects(service.startTask({ type: 'held', input: 'text' }), {
    code: 'FST_ERR_VALIDATION',
    message: /input/
  })
  t.strictSame(await service.pendingCounts(), { pending: 0, scheduled: 0 })

  await service.startTask({ type: 'held', input: 1 })
  await service.startTask({ type: 'held', input: 2 })
  await t.rejects(service.startTask({ type: 'held', input: 3 }), { code: 'TASK_QUEUE_FULL' })
  t.strictSame(await rejections(metrics), { unknown_type: 1, invalid: 1, queue_full: 1 })
})

t.test('while it drains the service answers replays, and nothing else', async (t) => {
  const { service, metrics, setAccepting } = await startService(t, [held.type])
  const task = { type: 'held', input: 1 }
  const first = await service.startTask(task, 'key')
  setAccepting(false)
  t.strictSame(await service.startTask(task, 'key'), { taskId: first.taskId, replayed: true })
  await t.rejects(service.startTask({ type: 'held', input: 2 }, 'key'), { code: 'IDEMPOTENCY_KEY_REUSED' })
  await t.rejects(service.startTask(task, 'another'), { code: 'SERVICE_DRAINING' })
  t.strictSame(await rejections(metrics), { draining: 1 })
})
