/** What one round of one contender gave: numbers by the name of what was measured. */
export type Sample = Record<string, number>

/** Something that is set up once and measured in many rounds. */
export interface Contender {
  name: string
  setUp(): Promise<{ measure(seconds: number): Promise<Sample>; close(): Promise<unknown> }>
}

/** Contenders that do the same; the first is ours, and every other is what it is compared with. */
export interface Row {
  title: string
  contenders: Contender[]
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
}

/** Measures the contenders of a row in alternating rounds, so that what else the machine does hits all of them. */
export async function measureRow(row: Row, rounds: number, seconds: number): Promise<Result[]> {
  const running = await Promise.all(row.contenders.map((contender) => contender.setUp()))
  const samples: Sample[][] = running.map(() => [])
  try {
    for (const { measure } of running) await measure(1)
    for (let round = 0; round < rounds; round++) {
      for (const [index, { measure }] of running.entries()) samples[index]?.push(await measure(seconds))
    }
  } finally {
    await Promise.all(running.map(({ close }) => close()))
  }
  const metrics = Object.keys(samples[0]?.[0] ?? {})
  return metrics.flatMap((metric) => {
    const ours = medianOf(samples[0], metric)
    return row.contenders.map(({ name }, index) => {
      const values = (samples[index] ?? []).map((sample) => sample[metric] ?? Number.NaN)
      const median = medianOf(samples[index], metric)
      return {
        title: row.title,
        metric,
        contender: name,
        median,
        min: Math.min(...values),
        max: Math.max(...values),
        ratio: index === 0 ? undefined : ours / median
      }
    })
  })
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
