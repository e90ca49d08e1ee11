const placeholders = new Set(['', '-', '--', '~', 'n/a', 'na', 'none', 'null', 'undefined'])

/** Whether a trimmed cell only says that there is nothing (rule 6.1). */
export function isPlaceholder(cell: string) {
  return cell.length <= 'undefined'.length && placeholders.has(cell.toLowerCase())
}

/** The cell for a reader: a cell may hold a whole file when a quote is never closed. */
export function clip(cell: string, length = 300) {
  return cell.length <= length ? cell : `${cell.slice(0, length)}…`
}

/** Whether a cell is no name, value or heading but prose, or a quote that never closed: too long to be worth folding. */
export function isProse(cell: string) {
  return cell.length > 2_000
}
