import { isPlaceholder, isProse } from './cell.ts'
import { chipSize, packageKey } from './package-name.ts'
import type { PartKind } from './part-kind.ts'
import { isDestroyed } from './part-line.ts'
import { foldUnits, readValue } from './value.ts'

/** By what a part is found. */
export interface PartKeys {
  /** Equal for equal parts, ratings apart: 0.1uF and 100n in 0402 and C_0402_1005Metric. */
  part: string
  /** What the value asks for besides: `50v`, `1%`, `x7r`. */
  ratings: string[]
  /** A second name under which stock is also found: its value and package as mere text. */
  text?: string
}

/** Folds a manufacturer code: case and spaces do not count. Undefined when the cell names none that is whole. */
export function codeKey(code: string): string | undefined {
  if (isPlaceholder(code) || isProse(code) || isDestroyed(code)) return undefined
  return code.replace(/\s+/g, '').toUpperCase()
}

/** The keys of a value in a package; undefined unless both are there. `kind` is what the part is known to be. */
export function partKeys(value: string, packageName: string, kind?: PartKind): PartKeys | undefined {
  if (isPlaceholder(value) || isPlaceholder(packageName) || isProse(value)) return undefined

  const folded = packageKey(packageName)
  if (folded === undefined) return undefined
  const size = chipSize(folded)
  const text = `${foldText(value)}|${folded}`
  const electric = readValue(value, kind, size)
  if (electric) {
    const part = `${electric.amount} ${electric.dimension}|${folded}`
    // In a package that tells the kind of part, the text alone may match; a chip size is shared by all kinds.
    return { part, ratings: electric.ratings, ...(size === undefined && { text }) }
  }
  // A bare `0.1` on a capacitor equals only the same text on a capacitor.
  const doubtful = size !== undefined && readValue(value, undefined, size) !== undefined
  return { part: doubtful ? `${kind} ${text}` : text, ratings: [] }
}

/** Case does not count, but in a leading `10M` it tells mega from milli. */
function foldText(value: string) {
  const folded = foldUnits(value).replace(/\s+/g, '')
  const mega = /^[\d.,]+M/.exec(folded)?.[0] ?? ''
  return mega + folded.slice(mega.length).toLowerCase()
}
