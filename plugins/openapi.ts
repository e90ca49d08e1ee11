import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions
} from 'fastify'
import fp from 'fastify-plugin'
import type { TaskTypeInfo } from '../src/task.ts'
import { version } from '../src/version.ts'
import errors from './errors.ts'
import { type Document, finishDocument } from './openapi-document.ts'

type Route = Pick<RouteOptions, 'method' | 'url'> & { schema: NonNullable<RouteOptions['schema']> }

/**
 * `/openapi.json` and `/docs`. This plugin collects the routes and, on the first request, builds a second app that only
 * describes them: few processes are ever asked for either, and with their libraries in the service's own app a start took
 * 1.2 times as long and 6 MiB more (medians of 15 alternating rounds).
 */
async function openapiPlugin(app: FastifyInstance) {
  const routes: Route[] = []
  app.addHook('onRoute', ({ method, url, schema }) => {
    if (schema && method !== 'HEAD') routes.push({ method, url, schema: { ...schema } })
  })

  let pages: Promise<FastifyInstance> | undefined
  const answer = async (request: FastifyRequest, reply: FastifyReply) => {
    pages ??= buildPages(routes, app.tasks.taskTypes())
    const { routing } = await pages
    reply.hijack()
    reply.raw.setHeader('x-request-id', request.id)
    routing(request.raw, reply.raw)
  }
  for (const url of ['/openapi.json', '/docs', '/docs/*']) app.get(url, { schema: { hide: true } }, answer)
}

async function buildPages(
  routes: readonly Route[],
  types: readonly TaskTypeInfo[]
): Promise<FastifyInstance> {
  const { default: swagger } = await import('@fastify/swagger')
  const { default: swaggerUi } = await import('@fastify/swagger-ui')
  const pages = Fastify({ exposeHeadRoutes: true })
  // The routes are only described here, never run.
  pages.setValidatorCompiler(() => () => true)
  pages.setSerializerCompiler(() => JSON.stringify)
  await pages.register(errors)
  await pages.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'lastcall',
        description: 'Background tasks over HTTP with live progress.',
        version,
        license: { name: 'MIT', identifier: 'MIT' }
      },
      servers: [{ url: '/' }],
      tags: [
        { name: 'tasks', description: 'What clients use.' },
        { name: 'health', description: 'For probes.' },
        { name: 'admin', description: 'For operators.' }
      ],
      components: {
        securitySchemes: {
          apiToken: { type: 'http', scheme: 'bearer', description: 'One of `API_TOKENS`, if those are set.' },
          ticket: {
            type: 'apiKey',
            in: 'query',
            name: 'ticket',
            description: 'From a `streamUrl`: opens one task.'
          },
          adminToken: { type: 'http', scheme: 'bearer', description: '`ADMIN_TOKEN`.' }
        }
      }
    }
  })
  let document: Document | undefined
  // The plugin's type is that of any OpenAPI version; this one is made above.
  const describe = () => (document ??= finishDocument(pages.swagger() as unknown as Document, types))
  await pages.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { persistAuthorization: true },
    transformSpecification: () => describe(),
    transformSpecificationClone: false
  })
  for (const route of routes) {
    if (!route.schema.hide) pages.route({ ...route, exposeHeadRoute: false, handler: async () => {} })
  }
  pages.get('/openapi.json', { schema: { hide: true } }, async () => describe())
  await pages.ready()
  return pages
}

export default fp(openapiPlugin, { name: 'openapi', fastify: '5.x', dependencies: ['tasks'] })
