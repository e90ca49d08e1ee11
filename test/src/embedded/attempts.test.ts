import t, { type Test } from 'tap'
import { openService } from '../../open-store-service.ts'

const completed = { status: 'completed', result: '"done"' } as const

async function startOne(t: Test) {
  const { service, notices, claims, submit } = openService(t)
  service.setClaiming(true)
  const [{ taskId = '' } = {}] = await submit('any')
  const number = claims()[0]?.number ?? 0
  const types = async () => (await service.events(taskId, 0, 100))?.map(({ type }) => type)
  return { service, notices, claims, taskId, number, types }
}

t.test('an attempt ends once: what it still sends changes nothing', async (t) => {
  const { service, taskId, number, types } = await startOne(t)
  await service.finish(number, completed, Date.now())
  const events = ['task_started', 'task_completed']
  t.strictSame(await types(), events)

  await service.finish(number, { status: 'failed', error: { code: 'LATE', message: '' } }, Date.now())
  await service.progress(number, '{"value":1,"text":"late"}', Date.now())
  await t.rejects(service.saveCheckpoint(number, '1'), { code: 'ATTEMPT_LOST' })
  t.strictSame(await types(), events)
  t.equal((await service.get(taskId))?.status, 'completed')
})

t.test('the next attempt finds the checkpoint, and has the next number', async (t) => {
  const { service, claims, number } = await startOne(t)
  await service.saveCheckpoint(number, '{"at":3}')
  await service.finish(number, { status: 'pending', reason: 'shutdown', delayMs: 0 }, Date.now())
  await service.takeShutdownReport()
  t.match(claims()[1], { attempt: 2, restored: '{"at":3}', requeues: 1, failures: 0 })
})

t.test('a cancel that was accepted before the end of the attempt is not forgotten', async (t) => {
  for (const outcome of [
    { status: 'pending', reason: 'retry', delayMs: 0 },
    { status: 'pending', reason: 'shutdown', delayMs: 0 }
  ] as const) {
    const { service, notices, taskId, number, types } = await startOne(t)
    await service.cancel(taskId)
    t.ok(
      notices.some(([kind, attempt]) => kind === 'stop' && attempt === number),
      'the attempt is told'
    )
    await service.finish(number, outcome, Date.now())
    t.match(await service.get(taskId), { status: 'cancelled', cancelReason: 'client' })
    t.strictSame(await types(), ['task_started', 'task_cancelled'])
  }
})

t.test('a backoff that is no whole number of milliseconds is rounded', async (t) => {
  const { service, claims, submit, transaction } = openService(t)
  service.setClaiming(true)
  const [{ taskId = '' } = {}] = await submit('any')
  await transaction()
  const error = { code: 'TASK_FAILED', message: 'as told' }
  await service.finish(
    claims()[0]?.number ?? 0,
    { status: 'pending', reason: 'retry', delayMs: 60_000.3, error },
    Date.now()
  )
  t.match(await service.get(taskId), { status: 'pending', attempt: 1 })
})
