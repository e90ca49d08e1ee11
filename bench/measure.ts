/** What one round of one contender gave: numbers by the name of what was measured. */
export type Sample = Record<string, number>

/** What our median divided by another's must be: `min` for rates, `max` for times, CPU and memory. */
export type Target = { min: number } | { max: number }

/** Something that is set up once and measured in many rounds. */
export interface Contender {
  name: string
  /** Targets of our ratio to this contender, by metric. */
  targets?: Record<string, Target>
  setUp(): Promise<{ measure(seconds: number): Promise<Sample>; close(): Promise<unknown> }>
}

/** Contenders that do the same; the first is ours, and every other is what it is compared with. */
export interface Row {
  title: string
  contenders: Contender[]
  /** Targets of our own figures, by metric, where there is nothing to divide by. */
  limits?: Record<string, Target>
  /** For rows whose rounds take long, and start their own processes: none of them is for warming up. */
  rounds?: { quick: number; full: number }
}

export interface Result {
  title: string
  metric: string
  contender: string
  median: number
  min: number
  max: number
  /** Our median divided by that of this contender. */
  ratio: number | undefined
  target: Target | undefined
  met: boolean | undefined
}

/** Measures the contenders of a row in alternating rounds, so that what else the machine does hits all of them. */
export async function measureRow(row: Row, rounds: number, seconds: number): Promise<Result[]> {
  const running: Awaited<ReturnType<Contender['setUp']>>[] = []
  const samples: Sample[][] = row.contenders.map(() => [])
  try {
    for (const contender of row.contenders) running.push(await contender.setUp())
    if (!row.rounds) for (const { measure } of running) await measure(1)
    for (let round = 0; round < rounds; round++) {
      for (const [index, { measure }] of running.entries()) samples[index]?.push(await measure(seconds))
    }
  } finally {
    await Promise.all(running.map(({ close }) => close()))
  }
  const metrics = Object.keys(samples[0]?.[0] ?? {})
  return metrics.flatMap((metric) => {
    const ours = medianOf(samples[0], metric)
    const others = row.contenders.filter((_, index) => samples[index]?.some((sample) => metric in sample))
    return others.map((contender): Result => {
      const { name, targets } = contender
      const index = row.contenders.indexOf(contender)
      const values = (samples[index] ?? []).map((sample) => sample[metric] ?? Number.NaN)
      const median = medianOf(samples[index], metric)
      const ratio = index === 0 ? undefined : ours / median
      const target = index === 0 ? row.limits?.[metric] : targets?.[metric]
      return {
        title: row.title,
        metric,
        contender: name,
        median,
        min: Math.min(...values),
        max: Math.max(...values),
        ratio,
        target,
        met: target && isMet(ratio ?? median, target)
      }
    })
  })
}

function isMet(value: number, target: Target): boolean {
  return 'min' in target ? value >= target.min : value <= target.max
}

function medianOf(samples: Sample[] = [], metric: string): number {
  return quantile(
    samples.map((sample) => sample[metric] ?? Number.NaN),
    0.5
  )
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}
