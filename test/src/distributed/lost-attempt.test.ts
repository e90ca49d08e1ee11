import { Redis } from 'ioredis'
import { pino } from 'pino'
import t from 'tap'
import { DistributedEngine } from '../../../src/distributed/engine.ts'
import { needsRedis, startRedis } from '../../redis.ts'
import { heldHost } from './held-host.ts'

t.test(
  'a process that lost an attempt and got its job back does not record how the attempt was aborted',
  { skip: needsRedis() },
  async (t) => {
    const { url } = await startRedis(t)
    const redis = new Redis(url)
    t.teardown(() => redis.disconnect())
    const logged: string[] = []
    const engine = new DistributedEngine({
      url,
      prefix: 'test',
      maxRunning: 1,
      maxPending: 10,
      retentionMs: 60_000,
      failedRetentionMs: 60_000,
      log: pino({ level: 'warn' }, { write: (line) => logged.push(line) })
    })
    t.teardown(() => engine.stop())

    const { host, runs, lost: discarded, until } = heldHost()
    await engine.start(host)
    engine.setClaiming(true)
    const [{ taskId = '' } = {}] = await engine.submit([{ type: 'any', input: '1', priority: 0 }])
    await until(() => runs.length === 1)

    const [lock = ''] = await redis.keys(`*${taskId}:lock`)
    const active = lock.replace(`${taskId}:lock`, 'active')
    const owner = (await redis.get(lock)) ?? ''
    const lost = new Promise((resolve) => runs[0]?.claim.stop.listen(resolve))
    // As another process does that finds the lease run out, and then dies.
    await redis.multi().del(lock).lrem(active, 1, taskId).exec()
    t.equal(await lost, 'lost')
    // As a claim of this process does whose answer is lost.
    await redis.multi().lpush(active, taskId).set(lock, owner, 'PX', 3_000).exec()

    runs[0]?.end({ status: 'cancelled', reason: 'client' })
    await until(() => runs.length === 2)
    t.equal(runs[1]?.claim.attempt, 2, 'the task goes on')
    t.strictSame(discarded, [{ taskId, attempt: 1 }])
    t.match(logged.join(''), /this process lost the lease/)
    runs[1]?.end({ status: 'completed', result: 'null' })
  }
)
