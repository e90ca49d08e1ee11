import sensible from '@fastify/sensible'
import { fastifySSE } from '@fastify/sse'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import auth from '../plugins/auth.ts'
import config from '../plugins/config.ts'
import connections from '../plugins/connections.ts'
import cors from '../plugins/cors.ts'
import errors, { clientErrorHandler, frameworkErrors, notFound } from '../plugins/errors.ts'
import figures from '../plugins/figures.ts'
import health from '../plugins/health.ts'
import longPolls from '../plugins/long-polls.ts'
import metrics from '../plugins/metrics.ts'
import openapi from '../plugins/openapi.ts'
import requestId, { requestIdOptions } from '../plugins/request-id.ts'
import requestLog from '../plugins/request-log.ts'
import scrapeLinger from '../plugins/scrape-linger.ts'
import serialization from '../plugins/serialization.ts'
import shutdown from '../plugins/shutdown.ts'
import streams from '../plugins/streams.ts'
import tasks from '../plugins/tasks.ts'
import validation from '../plugins/validation.ts'
import adminRoutes from '../routes/admin.ts'
import eventsRoute from '../routes/events.ts'
import healthRoutes from '../routes/health.ts'
import manyTasksRoutes from '../routes/many-tasks.ts'
import taskRoute from '../routes/task.ts'
import taskStreamRoute from '../routes/task-stream.ts'
import taskRoutes from '../routes/tasks.ts'
import uiRoutes from '../routes/ui.ts'
import type { Settings } from './config.ts'
import type { LoadedTaskType } from './task-types.ts'

export interface AppOptions {
  settings: Settings
  logger?: FastifyBaseLogger
  /** Task types besides the built-in ones and those of TASKS_DIR. */
  types?: readonly LoadedTaskType[]
}

/** The API for clients. CORS applies to all of it, including its errors. */
async function apiRoutes(api: FastifyInstance) {
  await api.register(cors)
  api.setNotFoundHandler(notFound)
  await api.register(fastifySSE, { heartbeatInterval: api.config.SSE_HEARTBEAT * 1000 })
  await api.register(taskRoutes)
  await api.register(taskRoute)
  await api.register(manyTasksRoutes)
  await api.register(taskStreamRoute)
  await api.register(eventsRoute)
}

/** The whole system in reading order: each plugin decorates the app with one thing, routes come last. */
export async function buildApp({ settings, logger, types = [] }: AppOptions) {
  const app = Fastify({
    ...(logger && { loggerInstance: logger }),
    ...requestIdOptions,
    logController: new LogController({ disableRequestLogging: true }), // plugins/request-log.ts says it in one line
    bodyLimit: settings.BODY_LIMIT,
    // Cuts off clients that send their request too slowly.
    requestTimeout: 120_000,
    // Requests are served as usual while close() runs the preClose hook.
    return503OnClosing: false,
    // This timeout would also bound preClose and onClose hooks, and a drain takes as long as its tasks do. Everything
    // that can hang has its own deadline: loading task types, opening the store, each step of the shutdown.
    pluginTimeout: 0,
    routerOptions: { maxParamLength: 1024 },
    clientErrorHandler,
    frameworkErrors
  }).withTypeProvider<TypeBoxTypeProvider>()

  await app.register(config, { settings })
  await app.register(errors)
  await app.register(sensible)
  await app.register(validation)
  await app.register(serialization)
  await app.register(requestId)
  await app.register(requestLog)
  await app.register(shutdown)
  await app.register(metrics)
  await app.register(tasks, { types })
  // The order of these plugins is the order of the steps before the exit.
  await app.register(scrapeLinger)
  await app.register(streams)
  await app.register(longPolls)
  await app.register(connections)
  await app.register(health)
  await app.register(auth)
  await app.register(openapi)
  if (settings.UI_ENABLED) await app.register(figures)

  await app.register(healthRoutes)
  await app.register(apiRoutes, { prefix: '/api' })
  await app.register(adminRoutes, { prefix: '/admin' })
  if (settings.UI_ENABLED) await app.register(uiRoutes)

  return app
}
