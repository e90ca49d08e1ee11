import { anyOf, isPlaceholder, isProse, trimSigns } from './cell.ts'
import { dnp, headingWords, markers } from './words.ts'

const words = [
  anyOf(dnp.short),
  `(?:do[\\s-]+not|don['’]t)[\\s-]+${anyOf(dnp.doNot)}`,
  `(?:not|non|un|no)[\\s-]*${anyOf(dnp.not)}`,
  `no[\\s-]*${anyOf(dnp.no)}`,
  anyOf(dnp.phrases).replaceAll(' ', '\\s+')
]
const WORD = `(?<![\\p{L}\\p{N}])(?:${words.join('|')})(?![\\p{L}\\p{N}])|${anyOf(dnp.signs)}`
const FIRST = new RegExp(WORD, 'iu')
const WHOLE = new RegExp(`^(?:${WORD})$`, 'iu')
const ALL = new RegExp(`[([{（]?\\s?(?:${WORD})\\s?[)\\]}）]?`, 'giu')

const BRACKETS = ' \t\r\n()[]{}（）!*'
const PUNCTUATION = `${BRACKETS}-_.,:;=~?"'/\\<>#+&`

/** The DNP word in the text, "do not populate" in one of its spellings, and where it stands (rule 9.4). */
export function findDnpWord(text: string): { word: string; index: number } | undefined {
  const match = isProse(text) ? null : FIRST.exec(text)
  return match ? { word: match[0], index: match.index } : undefined
}

/** Whether the cell is a DNP word and nothing else, brackets and punctuation apart (rule 9.5). */
export function isDnpWord(cell: string) {
  return cell.length <= 60 && WHOLE.test(trimSigns(cell, PUNCTUATION).replaceAll('.', ''))
}

/** What is left of a text without its DNP words and the signs around them. */
export function dropDnpWords(text: string) {
  return trimSigns(text.replace(/\s+/g, ' ').replace(ALL, ' '), PUNCTUATION)
}

/** Whether the only cell of a row says that the parts below are not placed (rule 9.7). */
export function isDnpHeading(cell: string) {
  if (!findDnpWord(cell)) return false
  const others =
    dropDnpWords(cell)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  return others.every((word) => headingWords.includes(word))
}

/** What the cell of a marker column says; `positive` is a column such as `Populate` (rules 9.2 and 9.3). */
export function readMarker(cell: string, positive: boolean): 'dnp' | 'placed' | 'unclear' {
  if (isPlaceholder(cell)) return 'placed'
  const folded = trimSigns(cell.toLowerCase().replaceAll('.', ''), BRACKETS)
  if (findDnpWord(folded) || markers.absent.includes(folded)) return 'dnp'
  if (isPlaceholder(folded) || markers.placed.includes(folded)) return 'placed'
  if (markers.yes.includes(folded)) return positive ? 'placed' : 'dnp'
  if (markers.no.includes(folded)) return positive ? 'dnp' : 'placed'
  return 'unclear'
}
