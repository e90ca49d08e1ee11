import t from 'tap'
import { Stop } from '../../src/stop.ts'

t.test('the first cause counts, and is told once', async (t) => {
  const stop = new Stop<'client' | 'timeout'>()
  const told: string[] = []
  stop.listen((cause) => told.push(cause))
  t.equal(stop.cause, undefined)

  stop.trigger('timeout')
  stop.trigger('client')
  t.equal(stop.cause, 'timeout')
  t.strictSame(told, ['timeout'])
})

t.test('whoever listens after the trigger is told at once', async (t) => {
  const stop = new Stop<'client'>()
  stop.trigger('client')
  const told: string[] = []
  stop.listen((cause) => told.push(cause))
  t.strictSame(told, ['client'])
})
