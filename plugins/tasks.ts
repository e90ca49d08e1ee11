import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { createEngine, isVolatile } from '../src/create-engine.ts'
import { Runner } from '../src/runner.ts'
import { within } from '../src/shutdown.ts'
import { TaskService } from '../src/task-service.ts'
import { type LoadedTaskType, loadTaskTypes } from '../src/task-types.ts'

declare module 'fastify' {
  interface FastifyInstance {
    tasks: TaskService
  }
}

// A store that does not answer must not cost the process its exit.
const recordMs = 500

/** `types` are known besides the built-in ones and those of TASKS_DIR. */
async function tasksPlugin(app: FastifyInstance, { types: more }: { types: readonly LoadedTaskType[] }) {
  const { config, log, shutdown } = app
  const types = await loadTaskTypes(config, log)
  for (const type of more) types.set(type.type, type)

  const engine = await createEngine(config, log)
  const tasks = new TaskService({
    engine,
    runner: new Runner({
      memoryLimitMiB: config.WORKER_MEMORY_LIMIT,
      cancelGraceMs: config.CANCEL_GRACE * 1000,
      log
    }),
    types,
    metrics: app.taskMetrics,
    // What others will run is not waited for.
    drainPending: !engine.shared && (config.DRAIN_PENDING === 'run' || isVolatile(config)),
    isVolatile: isVolatile(config),
    shutdownTimeoutMs: config.GRACEFUL_SHUTDOWN_TIMEOUT * 1000,
    acceptsTasks: () => shutdown.acceptsTasks(),
    log
  })
  app.decorate('tasks', tasks)
  app.taskMetrics.gaugePending(() => tasks.getPendingTaskCount())
  app.taskMetrics.gaugeScheduled(() => tasks.getScheduledTaskCount())
  app.taskMetrics.gaugeStore(() => tasks.check())
  shutdown.onDrain(tasks)
  shutdown.beforeExit('cancelling what nobody will run', () => tasks.cancelPending())
  shutdown.beforeExit('recording the shutdown', (report) => within(recordMs, tasks.recordShutdown(report)))
  app.addHook('onReady', () => tasks.start())
  // Not earlier: a process that cannot listen must not have begun a task.
  app.addHook('onListen', async () => {
    if (!shutdown.exiting) tasks.resume()
  })
  app.addHook('onClose', () => tasks.shutdown())
}

export default fp(tasksPlugin, {
  name: 'tasks',
  fastify: '5.x',
  dependencies: ['config', 'shutdown', 'metrics']
})
