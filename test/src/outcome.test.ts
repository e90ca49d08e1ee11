import t from 'tap'
import { afterCancel, cancelledByClient, outcomeEvent } from '../../src/outcome.ts'

const error = { code: 'NO', message: 'no' }

t.test('an accepted cancel wins over every other outcome but another cancel', async (t) => {
  t.equal(afterCancel({ status: 'completed', result: '1' }), cancelledByClient)
  t.equal(afterCancel({ status: 'failed', error }), cancelledByClient)
  t.equal(afterCancel({ status: 'pending', reason: 'retry', delayMs: 0 }), cancelledByClient)
  t.same(afterCancel({ status: 'cancelled', reason: 'timeout' }), { status: 'cancelled', reason: 'timeout' })
})

t.test('each outcome has its event', async (t) => {
  t.same(outcomeEvent({ status: 'completed', result: '[1]' }), ['task_completed', '[1]'])
  t.same(outcomeEvent({ status: 'failed', error }), ['task_failed', JSON.stringify(error)])
  t.same(outcomeEvent({ status: 'cancelled', reason: 'client' }), ['task_cancelled', '{"reason":"client"}'])
  t.same(outcomeEvent({ status: 'pending', reason: 'retry', delayMs: 5, error }), [
    'task_requeued',
    JSON.stringify({ reason: 'retry', error })
  ])
})
