import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type Client, connectForCommands, disconnect } from '../../../src/distributed/clients.ts'
import { startFaultProxy } from '../../fault-proxy.ts'
import { needsRedis } from '../../redis.ts'
import { chooseSeed, seededRandom } from '../../system/random.ts'
import { startSentinel } from '../../system/sentinel.ts'

t.setTimeout(180_000)

const seed = chooseSeed()

t.test(
  `clients outlive a failover that they are told of while they ask for the primary (LASTCALL_SEED=${seed})`,
  { skip: needsRedis() },
  async (t) => {
    const random = seededRandom(seed)
    const { url, failOver } = await startSentinel(t, t.testdir())
    const proxy = await startFaultProxy(t, Number(new URL(url).port))
    // Asking takes about as long as what else they do: some of many are always at it.
    proxy.delay(300, 100, random)
    let givenUp = 0
    let breaking = true
    const isReady = (client: Client) =>
      client.status === 'ready' || new Promise<void>((resolve) => client.once('ready', () => resolve()))
    const clients = Array.from({ length: 12 }, () => {
      const client = connectForCommands(url.replace(/:\d+/, `:${proxy.port}`))
      t.teardown(() => disconnect(client))
      client.on('error', () => {})
      client.on('end', () => givenUp++)
      client.on('ready', async () => {
        await sleep(1_000 + random.below(2_000))
        if (breaking && 'stream' in client) client.stream.destroy()
      })
      return client
    })
    await Promise.all(clients.map(isReady))

    for (let n = 0; n < 5 && givenUp === 0; n++) await failOver()
    t.ok(givenUp > 0, 'ioredis has given up meanwhile')
    breaking = false

    for (const client of clients) {
      await isReady(client)
      t.match(await client.call('ROLE'), ['master'])
    }
  }
)
