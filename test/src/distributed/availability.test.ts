import t from 'tap'
import { Availability } from '../../../src/distributed/availability.ts'
import type { Log } from '../../../src/log.ts'

function start() {
  const lines: string[] = []
  const note = (_fields: object | string, message = '') => void lines.push(message)
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log }
  return { availability: new Availability(log), lines }
}

t.test('Redis can be used from the first renewal of leases on, and not after a failure', async (t) => {
  const { availability, lines } = start()
  t.throws(() => availability.require(), { code: 'STORE_UNAVAILABLE', message: /not connected yet/ })
  const usable = availability.usable()
  availability.renewed()
  await usable
  t.equal(availability.problem, undefined)

  availability.failed(new Error('ECONNRESET'))
  availability.failed(new Error('ECONNRESET'))
  t.equal(availability.problem, 'ECONNRESET')
  availability.renewed()
  t.doesNotThrow(() => availability.require())
  t.strictSame(
    lines,
    ['the task store can be used again', 'the task store cannot be used', 'the task store can be used again'],
    'each once'
  )
})

t.test('that a command was not sent tells less than why the connection is gone', (t) => {
  const { availability } = start()
  availability.renewed()
  const unsent = new Error("Stream isn't writeable and enableOfflineQueue options is false")
  t.equal(availability.failed(unsent), 'the connection was lost')
  availability.failed(new Error('connect ECONNREFUSED'))
  t.equal(availability.failed(unsent), 'connect ECONNREFUSED')
  t.end()
})

t.test('a Redis that must not be used stays so, however well it works', (t) => {
  const { availability } = start()
  availability.examined('it evicts keys')
  availability.renewed()
  t.equal(availability.problem, 'it evicts keys')
  availability.examined(undefined)
  availability.renewed()
  t.equal(availability.problem, undefined)
  t.end()
})
