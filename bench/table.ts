import type { Result, Target } from './measure.ts'

/** The results as a Markdown table that is readable as it is. */
export function formatTable(results: readonly Result[]): string {
  const head = ['what', 'measured', 'program', 'median', 'min – max', 'ratio', 'target', 'verdict']
  const rows = results.map(({ title, metric, contender, median, min, max, ratio, target, met }) => [
    title,
    metric,
    contender,
    formatNumber(median),
    `${formatNumber(min)} – ${formatNumber(max)}`,
    ratio === undefined ? '' : ratio.toFixed(2),
    target ? formatTarget(target) : '',
    met === undefined ? '' : met ? 'met' : 'NOT MET'
  ])
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0))
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

const formatTarget = (target: Target) =>
  'min' in target ? `≥ ${round(target.min)}` : `≤ ${round(target.max)}`

const round = (value: number) => Number(value.toFixed(2))

function formatNumber(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return value.toPrecision(3)
}
