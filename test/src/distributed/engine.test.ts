import t from 'tap'
import { DistributedEngine } from '../../../src/distributed/engine.ts'
import { engineSuite } from '../../engine-suite.ts'
import { quietLog } from '../../helper.ts'
import { needsRedis, startRedis } from '../../redis.ts'

// A lost process is noticed when its locks have run out.
t.setTimeout(120_000)

const reason = needsRedis()
if (reason) {
  t.comment(`skipped: ${reason}`)
  t.test('the distributed engine', { skip: reason }, async () => {})
} else {
  const { url } = await startRedis(t)
  let stores = 0
  engineSuite(t, () => {
    const prefix = `test-${stores++}`
    return (options) => new DistributedEngine({ url, prefix, log: quietLog, ...options })
  })
}
