/** How many rows after the header are no part lines, by why. */
export interface SkippedRows {
  blank: number
  heading: number
  metadata: number
  totals: number
  comment: number
  empty: number
}

const TOTALS = /^(?:(?:grand|sub)[\s-]*)?(?:total|summe|sum|gesamt)(?![\p{L}\p{N}_])/iu

/** Why a row is no part line, as far as its cells tell (rules 5.1, 5.3 to 5.6); `headings` is the header's width. */
export function whyNoPart(row: string[], headings: number): keyof SkippedRows | undefined {
  const first = row.find((cell) => cell !== '')
  if (first === undefined) return 'blank'
  if (first.startsWith('#') || first.startsWith('//')) return 'comment'
  if (headings >= 3 && row.indexOf(first) === row.findLastIndex((cell) => cell !== '')) return 'heading'
  if (first.endsWith(':')) return 'metadata'
  if (TOTALS.test(first)) return 'totals'
  return undefined
}
