import { Cluster, Redis, type RedisOptions } from 'ioredis'

// That option decides about the client's type, and we do not set it.
type Options = Omit<RedisOptions, 'replyMapping'>

/** A client of one Redis, of a primary that Sentinel names, or of the node of a Redis Cluster that has our slot. */
export type Client = Redis | Cluster

const maxRetryMs = 500
const retryStrategy = (times: number) => Math.min(times * 50, maxRetryMs)
// A half-open connection is dropped after this time without an answer: early enough to renew leases on the next one.
const silentMs = 2_000

/** Reconnects for as long as the process lives, often enough to find a Redis soon after it is back. */
const common = {
  retryStrategy,
  connectTimeout: 2_000,
  maxRetriesPerRequest: null,
  // A command that is wanted while there is no connection fails at once, and its caller decides.
  enableOfflineQueue: false,
  // An old primary answers so after a failover, or when its replicas are out of reach: the new one is found by connecting again.
  reconnectOnError: (error: Error) => /^(READONLY|NOREPLICAS)/.test(error.message)
} satisfies Options

/**
 * For all commands that do not block. One that was under way when the connection broke is sent again, and so may be done
 * twice. (Without autoResendUnfulfilledCommands ioredis 6.0.0 never resolves it.)
 */
export const connectForCommands = (url: string): Client => connect(url, { socketTimeout: silentMs })

/** For commands that block: those are not sent again, because nobody waits for them any more. */
export const connectForBlocking = (url: string, socketTimeout: number): Client =>
  connect(url, { socketTimeout, autoResendUnfulfilledCommands: false })

/**
 * Sends what is written in the same turn of the event loop at once. Not ioredis's automatic pipelines: there is one of them at
 * a time, so each command waits for the answers to those before it.
 */
export function batchWrites(client: Client): void {
  if (client instanceof Cluster) return
  const { stream } = client
  if (stream === undefined || stream.writableCorked > 0) return
  stream.cork()
  setImmediate(() => stream.uncork())
}

/** For subscriptions: nobody waits for a command on it, and each new connection subscribes again. */
export const connectForSubscribing = (url: string): Client =>
  connect(url, { autoResubscribe: false, socketTimeout: 10_000 })

/** Drops the connection, and connects no more. */
export function disconnect(client: Client): void {
  client.removeAllListeners('end')
  client.disconnect()
}

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
    const client = new Redis({
      ...options,
      ...credentials,
      sentinels,
      name: sentinel,
      // An old primary that still answers is not noticed otherwise.
      failoverDetector: true,
      sentinelRetryStrategy: retryStrategy,
      sentinelCommandTimeout: silentMs
    })
    // A failover that is announced while ioredis 6.0.0 asks for the primary's address ends its client for good.
    return client.on('end', () => void client.connect().catch(() => {}))
  }
  const { enableOfflineQueue } = common
  return new Cluster([{ host, port: Number(port || 6379) }], {
    clusterRetryStrategy: retryStrategy,
    enableOfflineQueue,
    redisOptions: { ...options, ...credentials }
  })
}
