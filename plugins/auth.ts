import bearerAuth from '@fastify/bearer-auth'
import createError from '@fastify/error'
import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** Checks the bearer token of a request to `/api`; lets every request pass if no tokens are set. */
    requireApiToken: onRequestHookHandler
    /** Checks the bearer token of a request to `/admin`; lets no request pass if no token is set. */
    requireAdminToken: onRequestHookHandler
  }
}

const AdminDisabled = createError('ADMIN_DISABLED', 'The admin API is off: no ADMIN_TOKEN is set', 403)

async function authPlugin(app: FastifyInstance) {
  await app.register(bearerAuth, { addHook: false, keys: [] })
  // Without a hook of its own the library leaves the answer to our error handler.
  const verifier = (keys: string[]) =>
    app.verifyBearerAuthFactory?.({ keys, addHook: false, verifyErrorLogLevel: 'info' })

  const { API_TOKENS = '', ADMIN_TOKEN } = app.config
  const tokens = API_TOKENS.split(',')
    .map((token) => token.trim())
    .filter((token) => token !== '')
  const verifyApi = tokens.length > 0 ? verifier(tokens) : undefined
  const verifyAdmin = ADMIN_TOKEN === undefined ? undefined : verifier([ADMIN_TOKEN])

  app.decorate('requireApiToken', (request, reply, done) => {
    if (verifyApi) verifyApi(request, reply, done)
    else done()
  })
  app.decorate('requireAdminToken', (request, reply, done) => {
    if (verifyAdmin) verifyAdmin(request, reply, done)
    else done(new AdminDisabled())
  })
}

export default fp(authPlugin, { name: 'auth', fastify: '5.x', dependencies: ['config'] })
