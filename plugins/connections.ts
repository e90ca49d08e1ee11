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

/**
 * Keeps connections from delaying the exit. Fastify closes the listener, then waits for open responses. A keep-alive
 * connection that becomes idle after that would delay the exit by its whole keep-alive timeout, so they are swept. Also bounds
 * what one connection can ask for at once.
 */
async function connectionsPlugin(app: FastifyInstance) {
  const current = new Map<Socket, IncomingMessage | undefined>()
  let closable = new Set<Socket>()
  let sweeper: NodeJS.Timeout | undefined
  let lastCut: NodeJS.Timeout | undefined

  app.server.on('connection', (socket: Socket) => {
    current.set(socket, undefined)
    socket.once('close', () => current.delete(socket))
  })
  app.server.on('request', (request: IncomingMessage, response) => {
    current.set(request.socket, request)
    response.once('close', () => {
      if (current.get(request.socket) === request) current.set(request.socket, undefined)
    })
  })

  const unanswered = new WeakMap<Socket, number>()
  app.addHook('onRequest', (request, reply, done) => {
    const { socket } = request.raw
    const count = (unanswered.get(socket) ?? 0) + 1
    unanswered.set(socket, count)
    reply.raw.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1))
    done(count > maxPipelined ? new TooManyPipelined() : undefined)
  })

  // A connection is closed when two sweeps in a row find it idle, or with an incomplete request.
  const sweep = () => {
    const found = new Set<Socket>()
    for (const [socket, request] of current) {
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
