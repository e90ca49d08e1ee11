import { isPlaceholder } from './cell.ts'

const WORD =
  /(?<![\p{L}\p{N}])(?:dn[pfims]|no[\s-]?pop|no[\s-]stuff|not[\s-](?:fitted|populated)|do[\s-]not[\s-](?:populate|fit|place|install|mount))(?![\p{L}\p{N}])/iu
const NO = new Set(['0', 'no', 'n', 'false', 'f'])

/** Whether the text says "do not populate" in one of its spellings (rule 9.4). */
export function hasDnpWord(cell: string) {
  return cell !== '' && WORD.test(cell)
}

/** The cell of a column such as `DNP`: marked unless it says nothing or no (rule 9.2). */
export function marksDnp(cell: string) {
  return !isPlaceholder(cell) && !NO.has(cell.toLowerCase())
}

/** The cell of a column such as `Populate`: marked only where it says no (rule 9.3). */
export function deniesFitting(cell: string) {
  return NO.has(cell.toLowerCase()) || hasDnpWord(cell)
}
