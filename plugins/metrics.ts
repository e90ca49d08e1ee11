import type { FastifyInstance } from 'fastify'
import metrics from 'fastify-metrics'
import fp from 'fastify-plugin'
import { Registry } from 'prom-client'
import { TaskMetrics } from '../src/task-metrics.ts'

declare module 'fastify' {
  interface FastifyInstance {
    taskMetrics: TaskMetrics
  }
}

async function metricsPlugin(app: FastifyInstance) {
  const registry = new Registry()
  const registers = [registry]
  await app.register(metrics.default, {
    endpoint: { url: '/metrics', schema: { hide: true }, logLevel: 'warn', method: 'GET', handler: () => {} },
    defaultMetrics: { enabled: true, register: registry },
    routeMetrics: {
      enabled: { histogram: true, summary: false },
      routeBlacklist: ['/metrics', '/healthz', '/readyz'],
      overrides: { histogram: { registers }, summary: { registers } }
    }
  })
  // Gauges with a counter's suffix, which promtool rejects. The same numbers are there by type.
  for (const name of ['handles', 'requests', 'resources'])
    registry.removeSingleMetric(`nodejs_active_${name}_total`)
  const taskMetrics = new TaskMetrics(registry)
  app.decorate('taskMetrics', taskMetrics)
  app.shutdown.onDrained((report) => taskMetrics.recordShutdownDuration(report.seconds, report))
  app.shutdown.onChange((draining) => taskMetrics.setDrainingState(draining))
}

export default fp(metricsPlugin, { name: 'metrics', fastify: '5.x', dependencies: ['shutdown'] })
