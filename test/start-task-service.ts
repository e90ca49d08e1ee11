import { Registry } from 'prom-client'
import type { Test } from 'tap'
import { EmbeddedEngine } from '../src/embedded/engine.ts'
import { Runner } from '../src/runner.ts'
import { TaskExecutor } from '../src/task-executor.ts'
import { TaskMetrics } from '../src/task-metrics.ts'
import { TaskService } from '../src/task-service.ts'
import type { LoadedTaskType } from '../src/task-types.ts'
import { quietLog } from './helper.ts'

/** The task service on a store in memory, without HTTP; closed when the test ends. */
export async function startService(
  t: Test,
  types: readonly LoadedTaskType[],
  { maxRunning = 2, maxPending = 100, drainPending = false, isVolatile = false } = {}
) {
  const engine = new EmbeddedEngine({
    path: ':memory:',
    sync: 'normal',
    maxRunning,
    maxPending,
    retentionMs: 60_000,
    failedRetentionMs: 60_000,
    log: quietLog
  })
  const metrics = new TaskMetrics(new Registry())
  const named = new Map(types.map((type) => [type.type, type]))
  const runner = new Runner({ memoryLimitMiB: 64, cancelGraceMs: 1_000, log: quietLog })
  const executor = new TaskExecutor({
    engine,
    runner,
    types: named,
    metrics,
    drainPending,
    isVolatile,
    log: quietLog
  })
  let accepts = true
  const service = new TaskService({
    engine,
    executor,
    types: named,
    metrics,
    shutdownTimeoutMs: 0,
    acceptsTasks: () => accepts,
    log: quietLog
  })
  await service.start()
  executor.resume()
  t.teardown(() => service.shutdown())
  return {
    service,
    executor,
    metrics,
    setAccepting: (value: boolean) => {
      accepts = value
    }
  }
}
