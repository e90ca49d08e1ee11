import type { Result } from './measure.ts'

/** The results as a Markdown table that is readable as it is. */
export function formatTable(results: readonly Result[]): string {
  const head = ['what', 'measured', 'who', 'median', 'min – max', 'ours / theirs']
  const rows = results.map(({ title, metric, contender, median, min, max, ratio }) => [
    title,
    metric,
    contender,
    formatNumber(median),
    `${formatNumber(min)} – ${formatNumber(max)}`,
    ratio === undefined ? '' : ratio.toFixed(2)
  ])
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0))
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

function formatNumber(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value.toPrecision(3)
}
