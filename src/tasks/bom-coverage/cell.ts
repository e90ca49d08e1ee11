import { placeholders } from './words.ts'

const nothing = new Set(placeholders)
const LONGEST = Math.max(...placeholders.map((word) => word.length))
const FIRST = new Set(placeholders.flatMap((word) => [word.charAt(0), word.charAt(0).toUpperCase()]))

/** Whether a trimmed cell only says that there is nothing (rule 6.1). */
export function isPlaceholder(cell: string) {
  return cell.length <= LONGEST && FIRST.has(cell.charAt(0)) && nothing.has(cell.toLowerCase())
}

/** The cell for a reader: a cell may hold a whole file when a quote is never closed. */
export function clip(cell: string, length = 300) {
  return cell.length <= length ? cell : `${cell.slice(0, length)}…`
}

/** Whether a cell is no name, value or heading but prose, or a quote that never closed: too long to be worth folding. */
export function isProse(cell: string) {
  return cell.length > 2_000
}

/** The text without any of these signs at its ends. */
export function trimSigns(text: string, signs: string) {
  let start = 0
  let end = text.length
  while (start < end && signs.includes(text.charAt(start))) start++
  while (end > start && signs.includes(text.charAt(end - 1))) end--
  return text.slice(start, end)
}

/** Words as alternatives of a regular expression, the longer before those they begin with. */
export function anyOf(words: string[]) {
  const escaped = words.map((word) => word.replace(/[$.*+?()[\]{}|^\\/]/g, '\\$&'))
  return `(?:${escaped.sort((a, b) => b.length - a.length).join('|')})`
}
