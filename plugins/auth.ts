import bearerAuth from '@fastify/bearer-auth'
import createError from '@fastify/error'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { deriveSecret, Tickets } from '../src/tickets.ts'
import { type ApiToken, parseApiTokens, tokenFinder } from '../src/tokens.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Checks the bearer token of a request to `/api`; lets every request pass if no tokens are set. */
    requireApiToken: onRequestHookHandler
    /** The same for a route that reads one task, `:taskId`: a ticket for that task will do. */
    requireApiTokenOrTicket: onRequestHookHandler
    /** Checks the bearer token of a request to `/admin`; lets no request pass if no token is set. */
    requireAdminToken: onRequestHookHandler
    /** The URL of a task's stream, with a ticket and its expiry if the API requires tokens. */
    streamAddress(taskId: string): { streamUrl: string; expiresAt: string | null }
  }
  interface FastifyRequest {
    /** The name of the client's token, if it has one. */
    client: string | undefined
  }
}

const AdminDisabled = createError('ADMIN_DISABLED', 'The admin API is off: no ADMIN_TOKEN is set', 403)
const TicketInvalid = createError(
  'TICKET_INVALID',
  'The ticket is not one for this task, or it has expired; POST …/stream-ticket gives another',
  401
)

async function authPlugin(app: FastifyInstance) {
  await app.register(bearerAuth, { addHook: false, keys: [] })
  app.decorateRequest('client', undefined)
  const { API_TOKENS, ADMIN_TOKEN, TICKET_SECRET, TICKET_TTL } = app.config

  const verifier = (tokens: ApiToken[]) => {
    const find = tokenFinder(tokens)
    return app.verifyBearerAuthFactory?.({
      keys: [],
      auth: (candidate: string, request: FastifyRequest) => {
        const found = find(candidate)
        request.client = found?.name
        return found !== undefined
      },
      // The scheme is case-insensitive: RFC 9110, 11.1.
      specCompliance: 'rfc6749',
      // Without its own hook, the library leaves the answer to our error handler.
      addHook: false,
      verifyErrorLogLevel: 'info'
    })
  }

  const tokens = API_TOKENS === undefined ? [] : parseApiTokens(API_TOKENS)
  const verifyApi = tokens.length > 0 ? verifier(tokens) : undefined
  const verifyAdmin = ADMIN_TOKEN === undefined ? undefined : verifier([{ token: ADMIN_TOKEN }])

  const requireApiToken: onRequestHookHandler = (request, reply, done) => {
    if (verifyApi) verifyApi(request, reply, done)
    else done()
  }
  app.decorate('requireApiToken', requireApiToken)
  app.decorate('requireAdminToken', (request, reply, done) => {
    if (verifyAdmin) verifyAdmin(request, reply, done)
    else done(new AdminDisabled())
  })

  const secret = TICKET_SECRET
    ? Buffer.from(TICKET_SECRET)
    : verifyApi && (await deriveSecret(tokens.map(({ token }) => token)))
  const tickets = verifyApi && secret && new Tickets(secret, TICKET_TTL * 1000)
  app.decorate('streamAddress', (taskId) => {
    const streamUrl = `/api/tasks/${taskId}/stream`
    if (!tickets) return { streamUrl, expiresAt: null }
    const { ticket, expiresAt } = tickets.issue(taskId)
    return { streamUrl: `${streamUrl}?ticket=${ticket}`, expiresAt: expiresAt.toISOString() }
  })
  app.decorate('requireApiTokenOrTicket', function (request, reply, done) {
    const { taskId } = request.params as { taskId: string }
    const { ticket } = request.query as { ticket?: unknown } // not validated yet
    if (!tickets || ticket === undefined || request.headers.authorization !== undefined)
      return requireApiToken.call(this, request, reply, done)
    const isValid = typeof ticket === 'string' && tickets.isValid(taskId, ticket)
    done(isValid ? undefined : new TicketInvalid())
  })
}

export default fp(authPlugin, { name: 'auth', fastify: '5.x', dependencies: ['config'] })
