import { readFileSync, writeFileSync } from 'node:fs'
import type { Result } from './measure.ts'

const file = new URL('baseline.json', import.meta.url)
// Few rounds on a machine that does other things: what changes less than this says nothing.
const tolerance = 1.5

const keyOf = ({ title, metric, contender }: Result) => `${title} · ${metric} · beside ${contender}`

export function writeBaseline(results: readonly Result[]): void {
  const ratios = results.flatMap((result) =>
    result.ratio === undefined ? [] : [[keyOf(result), Number(result.ratio.toFixed(2))] as const]
  )
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(ratios), null, 2)}\n`)
}

/** A line for each ratio that is far from the committed one, for the better or for the worse. */
export function compareWithBaseline(results: readonly Result[]): string[] {
  const baseline: Record<string, number> = JSON.parse(readFileSync(file, 'utf8'))
  return results.flatMap((result) => {
    const before = baseline[keyOf(result)]
    if (result.ratio === undefined || before === undefined) return []
    const change = result.ratio / before
    if (change < tolerance && change > 1 / tolerance) return []
    return [`${keyOf(result)}: ${result.ratio.toFixed(2)}, was ${before.toFixed(2)}`]
  })
}
