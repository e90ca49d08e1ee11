import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { durable, startRedis } from '../redis.ts'

type Redis = Awaited<ReturnType<typeof startRedis>>

const name = 'lastcall'

/** Two Redis, of which a Sentinel makes one the primary. Fails over without losing what was acknowledged. */
export async function startSentinel(t: Test, dir: string) {
  for (const name of ['redis-a', 'redis-b']) await mkdir(join(dir, name))
  const primary = await startRedis(t, durable(join(dir, 'redis-a')))
  const replicaOf = ['--replicaof', `127.0.0.1 ${primary.port}`]
  const replica = await startRedis(t, [...durable(join(dir, 'redis-b')), ...replicaOf])
  const sentinel = await startRedis(t, [], {
    file: join(dir, 'sentinel.conf'),
    text: [
      `sentinel monitor ${name} 127.0.0.1 ${primary.port} 1`,
      // It pings each second: with less, a new primary is often taken for down before it has been asked, and the old one gets
      // the role back.
      `sentinel down-after-milliseconds ${name} 3000`,
      `sentinel failover-timeout ${name} 5000`
    ]
  })
  const replicates = async (redis: Redis) => {
    while (!(await redis.command('INFO', 'replication')).includes('state=online')) await sleep(50)
  }
  const knows = async ({ port }: Redis) => {
    while (!(await sentinel.command('SENTINEL', 'REPLICAS', name)).includes(`${port}`)) await sleep(100)
  }
  await replicates(primary)
  await knows(replica)
  let [current, other] = [primary, replica]
  const failOver = async () => {
    // Replication is asynchronous: what the replica has not seen yet, a failover would lose.
    await current.command('CLIENT', 'PAUSE', '10000', 'WRITE')
    await current.command('WAIT', '1', '1000')
    const offsetOf = async (redis: Redis) =>
      /(?:master|slave)_repl_offset:(\d+)/.exec(await redis.command('INFO', 'replication'))?.[1]
    while ((await offsetOf(current)) !== (await offsetOf(other))) await sleep(20)
    await current.stop('SIGKILL')
    // One that is back while Sentinel has not decided yet stays the primary. Its word, not the replica's: that one drops its
    // connections when it becomes a primary.
    while (!(await sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)).includes(`${other.port}`))
      await sleep(50)
    await current.start()
    ;[current, other] = [other, current]
    await knows(other)
    await replicates(current)
  }
  return { url: `${sentinel.url}/?sentinel=${name}`, failOver }
}
