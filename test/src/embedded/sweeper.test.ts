import t from 'tap'
import type { Outcome } from '../../../src/engine.ts'
import { openService } from '../../open-store-service.ts'

const completed: Outcome = { status: 'completed', result: 'null' }
const failed: Outcome = { status: 'failed', error: { code: 'TASK_FAILED', message: 'as told' } }

t.test('a finished task goes when its retention is over, a failed one after its own', async (t) => {
  const { service, claims, submit, transaction, removed } = openService(t, {
    retentionMs: 100,
    failedRetentionMs: 60_000
  })
  const gone = removed()
  service.setClaiming(true)
  const ids: string[] = []
  for (const outcome of [completed, failed]) {
    const [{ taskId = '' } = {}] = await submit('any')
    service.setFollowed(taskId, 1)
    await transaction()
    await service.finish(claims().at(-1)?.number ?? 0, outcome, Date.now())
    ids.push(taskId)
  }
  const [{ taskId: pending = '' } = {}] = await submit('any')

  t.equal(await gone, ids[0])
  t.equal(await service.get(ids[0] ?? ''), undefined)
  t.match(await service.get(ids[1] ?? ''), { status: 'failed' })
  t.ok(await service.get(pending), 'what has not ended stays')
})
