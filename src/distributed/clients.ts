import { Cluster, Redis, type RedisOptions } from 'ioredis'

// That option decides about the client's type, and we do not set it.
type Options = Omit<RedisOptions, 'replyMapping'>

/** A client of one Redis, of a primary that Sentinel names, or of the node of a Redis Cluster that has our slot. */
export type Client = Redis | Cluster

const maxRetryMs = 500
const retryStrategy = (times: number) => Math.min(times * 50, maxRetryMs)

/** Tries again for as long as the process lives, at a pace that finds a Redis that is back at once. */
const common = {
  retryStrategy,
  connectTimeout: 2_000,
  maxRetriesPerRequest: null,
  // After a failover the old primary answers so: the new one is found by connecting again.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY')
} satisfies Options

/**
 * For commands that somebody waits for: they fail at once while there is no Redis. One that was under way when the connection
 * broke is sent again, and so may be done twice. (Without autoResendUnfulfilledCommands ioredis 6.0.0 never settles it.)
 */
export const forRequests = (url: string): Client =>
  connect(url, {
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    // Half-open connections: the process has a command under way several times a second.
    socketTimeout: 5_000
  })

/** For what can wait until Redis is back. */
export const forPatience = (url: string): Client => connect(url, {})

/** For commands that block for so long at most. */
export const forBlocking = (url: string, blockMs: number): Client =>
  connect(url, { socketTimeout: blockMs + 2_000 })

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
  const { enableOfflineQueue = true, enableAutoPipelining = false } = special
  return new Cluster([{ host, port: Number(port || 6379) }], {
    clusterRetryStrategy: retryStrategy,
    enableOfflineQueue,
    enableAutoPipelining,
    redisOptions: { ...options, ...credentials }
  })
}
