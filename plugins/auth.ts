import bearerAuth from '@fastify/bearer-auth'
import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** Checks the bearer token of a request to `/api`; lets every request pass if no tokens are set. */
    requireApiToken: onRequestHookHandler
  }
}

async function authPlugin(app: FastifyInstance) {
  await app.register(bearerAuth, { addHook: false, keys: [] })
  const tokens = (app.config.API_TOKENS ?? '')
    .split(',')
    .map((token) => token.trim())
    .filter((token) => token !== '')
  // Without a hook of its own the library leaves the answer to our error handler.
  const verify = app.verifyBearerAuthFactory?.({ keys: tokens, addHook: false, verifyErrorLogLevel: 'info' })
  app.decorate('requireApiToken', (request, reply, done) => {
    if (tokens.length === 0 || !verify) return done()
    verify(request, reply, done)
  })
}

export default fp(authPlugin, { name: 'auth', fastify: '5.x', dependencies: ['config'] })
