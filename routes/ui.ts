import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { version } from '../src/version.ts'

const root = fileURLToPath(new URL('../ui', import.meta.url))

const headers = {
  // Nothing inline, nothing from elsewhere, and in nobody's frame.
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // Asked for again each time, and answered with a 304: pods of two versions must not mix in one page.
  'cache-control': 'no-cache'
}

/** The operators' page: plain files, which need no token, and what they ask for beyond the API, which does. */
const ui: FastifyPluginAsyncTypebox = async (app) => {
  const hidden = { schema: { hide: true }, logLevel: 'warn' } as const
  app.addHook('onRequest', async (_request, reply) => void reply.headers(headers))

  // Relative, so that the page can be served below a path.
  app.get('/', hidden, (_request, reply) => reply.redirect('ui/'))
  app.get('/ui', hidden, (_request, reply) => reply.redirect('ui/'))

  const { default: files } = await import('@fastify/static')
  await app.register(files, {
    root,
    prefix: '/ui/',
    cacheControl: false,
    preCompressed: true,
    decorateReply: false,
    logLevel: 'warn'
  })

  const pod = hostname()
  app.get(
    '/ui/status.json',
    {
      onRequest: app.requireApiToken,
      logLevel: 'warn',
      schema: {
        hide: true,
        querystring: Type.Object({
          since: Type.Number({ default: Number.MAX_SAFE_INTEGER, description: 'History after then.' })
        })
      }
    },
    async (request) => {
      const { shutdown, tasks, config, figures } = app
      const [readiness, counts] = await Promise.all([app.readiness(), figures.waiting()])
      return {
        ...readiness,
        ...counts,
        pod,
        version,
        time: Date.now(),
        phase: shutdown.phase,
        reason: shutdown.reason,
        since: shutdown.since,
        deadline: shutdown.deadline,
        shutdownTimeoutSeconds: config.GRACEFUL_SHUTDOWN_TIMEOUT,
        maxWorkers: config.MAX_WORKERS,
        shared: tasks.isRemote(undefined),
        adminEnabled: config.ADMIN_TOKEN !== undefined,
        history: figures.history(request.query.since)
      }
    }
  )

  app.get('/ui/types.json', { ...hidden, onRequest: app.requireApiToken }, () => app.figures.byType())
}

export default ui
