import { Cluster, Redis, type RedisOptions } from 'ioredis'

// That option decides about the client's type, and we do not set it.
type Options = Omit<RedisOptions, 'replyMapping'>

/** A client of one Redis, of a primary that Sentinel names, or of the node of a Redis Cluster that has our slot. */
export type Client = Redis | Cluster

const maxRetryMs = 500
const retryStrategy = (times: number) => Math.min(times * 50, maxRetryMs)
// A half-open connection is given up after so long without an answer: early enough to renew leases on the next one.
const silentMs = 2_000

/** Connects again for as long as the process lives, at a pace that finds a Redis that is back at once. */
const common = {
  retryStrategy,
  connectTimeout: 2_000,
  maxRetriesPerRequest: null,
  // Who wants something while there is no connection is told at once, and decides.
  enableOfflineQueue: false,
  // After a failover the old primary answers so: the new one is found by connecting again.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY')
} satisfies Options

/**
 * For all commands that do not block. One that was under way when the connection broke is sent again, and so may be done
 * twice. (Without autoResendUnfulfilledCommands ioredis 6.0.0 never settles it.)
 */
export const forCommands = (url: string): Client =>
  connect(url, { enableAutoPipelining: true, socketTimeout: silentMs })

/** For commands that block: those are not sent again, because nobody waits for them any more. */
export const forBlocking = (url: string, socketTimeout: number): Client =>
  connect(url, { socketTimeout, autoResendUnfulfilledCommands: false })

/** For listening, which nobody waits for: it begins anew with each connection. */
export const forSubscribing = (url: string): Client =>
  connect(url, { autoResubscribe: false, socketTimeout: 10_000 })

/**
 * `redis://host`, and with TLS `rediss://host`, is one Redis; `redis://sentinel?sentinel=name` asks a Sentinel for its
 * primary of that name; `redis://node?cluster=true` finds our slot in a Redis Cluster.
 */
function connect(url: string, special: Options): Client {
  const options = { ...common, ...special }
  const { hostname: host, port, searchParams, username, password, protocol } = new URL(url)
  const sentinel = searchParams.get('sentinel')
  const isCluster = searchParams.get('cluster') === 'true'
  if (sentinel === null && !isCluster) return new Redis(url, options)
  const credentials = {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: {} })
  }
  if (sentinel !== null) {
    const sentinels = [{ host, port: Number(port || 26379) }]
    return new Redis({
      ...options,
      ...credentials,
      sentinels,
      name: sentinel,
      sentinelRetryStrategy: retryStrategy
    })
  }
  const { enableOfflineQueue } = common
  const { enableAutoPipelining = false } = special
  return new Cluster([{ host, port: Number(port || 6379) }], {
    clusterRetryStrategy: retryStrategy,
    enableOfflineQueue,
    enableAutoPipelining,
    redisOptions: { ...options, ...credentials }
  })
}
