import t from 'tap'
import { decodeCursor, encodeCursor, parseRecord, recordText, toEvent, toRecord } from '../../src/stored.ts'

const row = {
  task_id: '1',
  type: 'echo',
  status: 'completed',
  progress: '',
  attempt: 1,
  priority: 0,
  labels: null,
  created_at: 0,
  run_at: null,
  started_at: 1000,
  ended_at: 2000,
  request_id: null,
  retry_of: null,
  retried_as: null,
  final_data: '{"a":1}'
} as const
const [started, ended] = ['1970-01-01T00:00:01.000Z', '1970-01-01T00:00:02.000Z']

t.test('a record has its result, and its attempts with their outcomes', async (t) => {
  const data = JSON.stringify({ reason: 'retry', error: { code: 'NO', message: 'no' } })
  const requeued = [{ attempt: 1, started_at: 0, ended_at: 500, data }]

  t.match(parseRecord(toRecord({ ...row, attempt: 2 }, requeued)), {
    status: 'completed',
    progress: { value: 0, text: '' },
    result: { a: 1 },
    attempts: [
      { attempt: 1, outcome: 'retry', error: { code: 'NO' } },
      { attempt: 2, startedAt: started, endedAt: ended, outcome: 'completed' }
    ]
  })
})

t.test('a record that is sent as text is the record', async (t) => {
  const record = { ...toRecord(row, []), input: '[1]' }

  t.same(JSON.parse(recordText(record)), parseRecord(record))
})

t.test(
  'the data of the final event is the error or the reason of a task that did not complete',
  async (t) => {
    const failed = { ...row, status: 'failed', final_data: '{"code":"NO","message":"no"}' } as const
    t.match(toRecord(failed, []), {
      error: { code: 'NO' },
      attempts: [{ outcome: 'failed', error: { code: 'NO' } }]
    })
    const cancelled = { ...row, status: 'cancelled', final_data: '{"reason":"timeout"}' } as const
    t.match(toRecord(cancelled, []), { cancelReason: 'timeout' })
  }
)

t.test('an event is JSON with the time at which it happened', async (t) => {
  const { id, json } = toEvent('1', { id: 7, type: 'task_started', at: 1000, data: '{"attempt":1}' })

  t.equal(id, '7')
  t.same(JSON.parse(json), { taskId: '1', type: 'task_started', timestamp: started, data: { attempt: 1 } })
})

t.test('a cursor is only taken as it was given out', async (t) => {
  t.equal(decodeCursor(encodeCursor(12_345)), 12_345)
  for (const cursor of ['', 'x', encodeCursor(1).slice(0, -1), `${encodeCursor(1)}=`, encodeCursor(-1)])
    t.throws(() => decodeCursor(cursor), { code: 'CURSOR_INVALID' }, cursor)
})
