import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Shutdown } from '../src/shutdown.ts'

declare module 'fastify' {
  interface FastifyInstance {
    shutdown: Shutdown
  }
}

async function shutdownPlugin(app: FastifyInstance) {
  const { SHUTDOWN_DELAY, GRACEFUL_SHUTDOWN_TIMEOUT, CANCEL_GRACE } = app.config
  const shutdown = new Shutdown({
    delayMs: SHUTDOWN_DELAY * 1000,
    timeoutMs: GRACEFUL_SHUTDOWN_TIMEOUT * 1000,
    cancelGraceMs: CANCEL_GRACE * 1000,
    log: app.log
  })
  app.decorate('shutdown', shutdown)

  // In preClose the listener is still open; by onClose Fastify has closed it and waited for every open response.
  // The only preClose hook: if one fails, Fastify skips those after it.
  app.addHook('preClose', () => shutdown.run())
  app.addHook('onClose', async () => shutdown.closed())
}

export default fp(shutdownPlugin, { name: 'shutdown', fastify: '5.x', dependencies: ['config'] })
