import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import createError from '@fastify/error'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

const sweepEveryMs = 10
// Node dispatches all requests of a packet at once, and an answer takes up to 10 MiB: few browsers and proxies pipeline at all.
const maxPipelined = 16

const TooManyPipelined = createError(
  'TOO_MANY_PIPELINED_REQUESTS',
  `At most ${maxPipelined} requests may wait for their answers on one connection`,
  429
)
// How long a client that reads its last answer slowly, or not at all, may delay the exit: together with the second that streams have
// for their final events, less than the margin of an exit.
const lastAnswerMs = 300

interface Connection {
  /** The latest one, until it is answered. */
  request: IncomingMessage | undefined
  unanswered: number
}

/**
 * Keeps connections from delaying the exit. Fastify closes the listener, then waits for open responses. A keep-alive
 * connection that becomes idle after that would delay the exit by its whole keep-alive timeout, so they are swept. Also bounds
 * what one connection can ask for at once.
 */
async function connectionsPlugin(app: FastifyInstance) {
  const connections = new Map<Socket, Connection>()
  let closable = new Set<Socket>()
  let sweeper: NodeJS.Timeout | undefined
  let lastCut: NodeJS.Timeout | undefined

  app.server.on('connection', (socket: Socket) => {
    connections.set(socket, { request: undefined, unanswered: 0 })
    socket.once('close', () => connections.delete(socket))
  })
  app.server.on('request', (request: IncomingMessage, response) => {
    const connection = connections.get(request.socket)
    if (!connection) return
    connection.request = request
    connection.unanswered++
    response.once('close', () => {
      connection.unanswered--
      if (connection.request === request) connection.request = undefined
    })
  })
  // Comes before the listener above has counted the request.
  app.addHook('onRequest', (request, _reply, done) => {
    const { unanswered = 0 } = connections.get(request.raw.socket) ?? {}
    done(unanswered >= maxPipelined ? new TooManyPipelined() : undefined)
  })

  // A connection is closed when two sweeps in a row find it idle, or with an incomplete request.
  const sweep = () => {
    const found = new Set<Socket>()
    for (const [socket, { request }] of connections) {
      if (request?.complete) continue
      if (closable.has(socket)) socket.destroy()
      else found.add(socket)
    }
    closable = found
  }

  app.shutdown.beforeExit('closing idle connections', () => {
    sweeper = setInterval(sweep, sweepEveryMs)
    lastCut = setTimeout(() => app.server.closeAllConnections(), lastAnswerMs)
  })
  app.addHook('onClose', async () => {
    clearInterval(sweeper)
    clearTimeout(lastCut)
  })
}

export default fp(connectionsPlugin, { name: 'connections', fastify: '5.x', dependencies: ['shutdown'] })
