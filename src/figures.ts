import type { PendingCounts } from './engine.ts'
import type { TaskMetrics } from './task-metrics.ts'
import { within } from './timers.ts'

/** What happened in one step, and how many tasks waited at its end; null if the store did not say. */
interface Step {
  /** Milliseconds since the epoch. */
  endedAt: number
  started: number
  finished: number
  failed: number
  waiting: number | null
}

/** What this process did with the tasks of one type since it started. */
interface TypeFigures {
  started: number
  completed: number
  failed: number
  cancelled: number
  /** Of completed tasks; the quantiles are upper bounds, as precise as the buckets of the metric. */
  seconds: { mean: number; p50: number; p95: number } | null
}

const stepMs = 10_000
const keptSteps = (30 * 60_000) / stepMs
// Somebody looks at the page while a store does not answer, above all then.
const countWithinMs = 500

/** Statistics for the operators' page: of the last half hour, of now, and of each task type. */
export class Figures {
  readonly #metrics: TaskMetrics
  readonly #count: () => Promise<PendingCounts>
  readonly #steps: Step[] = []
  #before = { started: 0, finished: 0, failed: 0 }
  #timer: NodeJS.Timeout | undefined

  constructor(metrics: TaskMetrics, count: () => Promise<PendingCounts>) {
    this.#metrics = metrics
    this.#count = count
  }

  start(): void {
    this.#timer = setInterval(() => void this.#step(), stepMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** The steps of the last half hour that ended after then. */
  history(after: number): Step[] {
    return this.#steps.filter(({ endedAt }) => endedAt > after)
  }

  /** How many tasks wait to be run, and how many for their time; null if the store does not answer soon. */
  async waiting() {
    let counts: PendingCounts | undefined
    const counted = this.#count().then((answer) => {
      counts = answer
    })
    await within(countWithinMs, counted).catch(() => false)
    return {
      pendingTasks: counts?.pending ?? null,
      scheduledTasks: counts?.scheduled ?? null
    }
  }

  async byType(): Promise<Record<string, TypeFigures>> {
    const { started, finished, duration } = this.#metrics
    const [starts, ends, durations] = await Promise.all([started.get(), finished.get(), duration.get()])
    const types = new Set(starts.values.map(({ labels }) => String(labels.type)))
    return Object.fromEntries(
      Array.from(types, (type) => {
        const count = (status: string) =>
          sum(ends.values.filter(({ labels }) => labels.type === type && labels.status === status))
        const completed = durations.values.filter(
          ({ labels }) => labels.type === type && labels.status === 'completed'
        )
        return [
          type,
          {
            started: sum(starts.values.filter(({ labels }) => labels.type === type)),
            completed: count('completed'),
            failed: count('failed'),
            cancelled: count('cancelled'),
            seconds: summarise(completed)
          }
        ]
      })
    )
  }

  async #step(): Promise<void> {
    const [now, { pendingTasks }] = await Promise.all([this.#totals(), this.waiting()])
    const { started, finished, failed } = this.#before
    this.#before = now
    this.#steps.push({
      endedAt: Date.now(),
      started: now.started - started,
      finished: now.finished - finished,
      failed: now.failed - failed,
      waiting: pendingTasks
    })
    if (this.#steps.length > keptSteps) this.#steps.shift()
  }

  async #totals() {
    const { started, finished } = this.#metrics
    const [starts, ends] = await Promise.all([started.get(), finished.get()])
    return {
      started: sum(starts.values),
      finished: sum(ends.values),
      failed: sum(ends.values.filter(({ labels }) => labels.status === 'failed'))
    }
  }
}

const sum = (values: readonly { value: number }[]) => values.reduce((total, { value }) => total + value, 0)

interface HistogramValue {
  metricName?: string
  /** `le` is what a bucket goes up to. */
  labels: Partial<Record<string, string | number>>
  value: number
}

/** Of the values of a histogram: its buckets, each with all that is below, its sum and its count. */
function summarise(values: readonly HistogramValue[]): TypeFigures['seconds'] {
  const part = (suffix: string) => values.find(({ metricName }) => metricName?.endsWith(suffix))?.value ?? 0
  const count = part('_count')
  if (count === 0) return null
  const buckets = values.filter(({ labels }) => Number.isFinite(Number(labels.le)))
  const longest = Number(buckets.at(-1)?.labels.le)
  const quantile = (q: number) =>
    Number(buckets.find(({ value }) => value >= q * count)?.labels.le ?? longest)
  return { mean: part('_sum') / count, p50: quantile(0.5), p95: quantile(0.95) }
}
