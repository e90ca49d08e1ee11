import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

const sweepEveryMs = 10
// What a client that reads its last answer slowly, or not at all, may cost.
const lastAnswerMs = 1_000

/**
 * Lets no connection hold up the exit. Fastify closes the listener, then waits for open responses; a keep-alive
 * connection that becomes idle after that would hold it for its whole keep-alive timeout, so they are swept.
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

  // A connection goes when two sweeps have found it with nothing, or with a request that does not come to its end.
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
