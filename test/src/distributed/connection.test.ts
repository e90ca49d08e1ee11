import t from 'tap'
import { Availability } from '../../../src/distributed/availability.ts'
import { Connection, examineServer } from '../../../src/distributed/connection.ts'
import { quietLog } from '../../helper.ts'
import { freePort } from '../../redis.ts'

const info = (version: string, more = 'maxmemory_policy:noeviction\r\naof_enabled:1') =>
  `# Server\r\nredis_version:${version}\r\n${more}\r\n`

t.test('a Redis that is too old is refused', async (t) => {
  for (const version of ['5.0.14', '6.0.20']) {
    t.match(examineServer(info(version)), {
      unsupported: `Redis ${version} is too old, it has to be 6.2 or newer`
    })
  }
  for (const version of ['6.2.0', '7.0.15', '7.2.4', '8.0.1', '10.0.0']) {
    t.strictSame(examineServer(info(version)), { unsupported: undefined, warnings: [] })
  }
})

t.test('a Redis that may lose tasks is warned of', async (t) => {
  const { unsupported, warnings } = examineServer(
    info('7.0.15', 'maxmemory_policy:volatile-lru\r\naof_enabled:0')
  )
  t.equal(unsupported, undefined)
  t.match(warnings, [/volatile-lru/, /append-only/])
})

t.test('however many requests wait for a connection, they wait for the same one', async (t) => {
  const warnings: Error[] = []
  const note = (warning: Error) => warnings.push(warning)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const url = `redis://127.0.0.1:${await freePort()}`
  const connection = new Connection(url, '{test}', new Availability(quietLog), quietLog)
  t.teardown(() => connection.close())

  const requests = Array.from({ length: 50 }, () => connection.use((client) => client.ping()))
  for (const { status } of await Promise.allSettled(requests)) t.equal(status, 'rejected')
  t.strictSame(warnings, [])
})
