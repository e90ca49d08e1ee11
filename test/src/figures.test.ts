import { mock } from 'node:test'
import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import type { PendingCounts } from '../../src/engine.ts'
import { Figures } from '../../src/figures.ts'
import { TaskMetrics } from '../../src/task-metrics.ts'

const stepMs = 10_000

function open(t: Test, count: () => Promise<PendingCounts> = async () => ({ pending: 3, scheduled: 1 })) {
  const metrics = new TaskMetrics(new Registry())
  const figures = new Figures(metrics, count)
  t.teardown(() => figures.stop())
  return { metrics, figures }
}

/** Lets the test say how time goes on, for intervals that begin from now on. */
function stopTime(t: Test): void {
  mock.timers.enable({ apis: ['setInterval', 'Date'] })
  t.teardown(() => mock.timers.reset())
}

/** Ends a step; its totals are read in the promises that follow. */
async function step() {
  mock.timers.tick(stepMs)
  for (let n = 0; n < 20; n++) await Promise.resolve()
}

t.test('each step of ten seconds says what happened in it', async (t) => {
  const { metrics, figures } = open(t)
  stopTime(t)
  figures.start()
  metrics.started.inc({ type: 'bom' }, 5)
  metrics.finished.inc({ type: 'bom', status: 'completed' }, 2)
  metrics.finished.inc({ type: 'bom', status: 'failed' }, 1)
  await step()
  metrics.started.inc({ type: 'demo' }, 1)
  await step()

  const history = figures.history(0)
  t.match(history, [
    { started: 5, finished: 3, failed: 1, waiting: 3 },
    { started: 1, finished: 0, failed: 0, waiting: 3 }
  ])
  t.equal(history.length, 2)
  t.strictSame(figures.history(history[0]?.endedAt ?? 0), history.slice(1), 'a reader asks for what it lacks')
})

t.test('half an hour of steps is kept', async (t) => {
  const { figures } = open(t)
  stopTime(t)
  figures.start()
  for (let n = 0; n < 200; n++) await step()

  t.equal(figures.history(0).length, 180)
})

t.test('a store that does not answer leaves the counts open', async (t) => {
  const silent = open(t, () => new Promise(() => {}))
  t.strictSame(await silent.figures.waiting(), { pendingTasks: null, scheduledTasks: null })
  const broken = open(t, () => Promise.reject(new Error('disk I/O error')))
  t.strictSame(await broken.figures.waiting(), { pendingTasks: null, scheduledTasks: null })
})

t.test('each type has its counts, and how long its completed tasks took', async (t) => {
  const { metrics, figures } = open(t)
  metrics.started.inc({ type: 'bom' }, 4)
  metrics.started.inc({ type: 'demo' }, 1)
  for (const [status, count] of [
    ['completed', 2],
    ['failed', 1],
    ['cancelled', 1]
  ] as const)
    metrics.finished.inc({ type: 'bom', status }, count)
  for (const seconds of [1, 3]) metrics.duration.observe({ type: 'bom', status: 'completed' }, seconds)
  metrics.duration.observe({ type: 'bom', status: 'failed' }, 100)

  const { bom, demo } = await figures.byType()
  t.match(bom, { started: 4, completed: 2, failed: 1, cancelled: 1 })
  t.equal(bom?.seconds?.mean, 2)
  const { p50 = 0, p95 = 0 } = bom?.seconds ?? {}
  t.ok(p50 >= 1 && p50 < 3 && p95 >= 3, `p50 ${p50} s, p95 ${p95} s`)
  t.strictSame(demo, { started: 1, completed: 0, failed: 0, cancelled: 0, seconds: null })
})
