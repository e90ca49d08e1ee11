import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { createEngine, isVolatile } from '../src/create-engine.ts'
import { Runner } from '../src/runner.ts'
import { TaskExecutor } from '../src/task-executor.ts'
import { TaskService } from '../src/task-service.ts'
import { type LoadedTaskType, loadTaskTypes } from '../src/task-types.ts'
import { within } from '../src/timers.ts'

declare module 'fastify' {
  interface FastifyInstance {
    tasks: TaskService
  }
}

// A store that does not answer must not delay the exit.
const recordMs = 500

/** `types` are added to the built-in ones and those of TASKS_DIR. */
async function tasksPlugin(app: FastifyInstance, { types: more }: { types: readonly LoadedTaskType[] }) {
  const { config, log, shutdown } = app
  const types = await loadTaskTypes(config, log)
  for (const type of more) types.set(type.type, type)

  const engine = await createEngine(config, log)
  const executor = new TaskExecutor({
    engine,
    runner: new Runner({
      memoryLimitMiB: config.WORKER_MEMORY_LIMIT,
      cancelGraceMs: config.CANCEL_GRACE * 1000,
      log
    }),
    types,
    metrics: app.taskMetrics,
    // Other processes run what is pending in a shared store.
    drainPending: !engine.shared && (config.DRAIN_PENDING === 'run' || isVolatile(config)),
    isVolatile: isVolatile(config),
    log
  })
  const tasks = new TaskService({
    engine,
    executor,
    types,
    metrics: app.taskMetrics,
    shutdownTimeoutMs: config.GRACEFUL_SHUTDOWN_TIMEOUT * 1000,
    acceptsTasks: () => shutdown.acceptsTasks(),
    log
  })
  app.decorate('tasks', tasks)
  const { taskMetrics: metrics } = app
  metrics.gauge('task_pending', 'Tasks that wait for a slot or a backoff', async () => {
    return (await tasks.pendingCounts()).pending
  })
  metrics.gauge('task_scheduled', 'Tasks that wait for their runAt time', async () => {
    return (await tasks.pendingCounts()).scheduled
  })
  metrics.gauge(
    'task_oldest_pending_seconds',
    'How long the task that has been ready to run for longest waits; 0 if none does',
    async () => (await tasks.oldestPendingMs()) / 1000
  )
  app.taskMetrics.gaugeStore(() => tasks.check())
  shutdown.onDrain(executor)
  shutdown.beforeExit('cancelling pending tasks', () => executor.cancelPending())
  shutdown.beforeExit('recording the shutdown', (report) => within(recordMs, tasks.recordShutdown(report)))
  app.addHook('onReady', () => tasks.start())
  // Not earlier: a process that cannot listen must not have started a task.
  app.addHook('onListen', async () => {
    if (!shutdown.exiting) executor.resume()
  })
  app.addHook('onClose', () => tasks.shutdown())
}

export default fp(tasksPlugin, {
  name: 'tasks',
  fastify: '5.x',
  dependencies: ['config', 'shutdown', 'metrics']
})
