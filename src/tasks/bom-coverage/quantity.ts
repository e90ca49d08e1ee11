import { anyOf } from './cell.ts'
import { units } from './words.ts'

const UNIT = anyOf(units)
const NUMBER = new RegExp(
  `^(?:(\\d{1,3}(?:,\\d{3})+)(\\.\\d+)?|(\\d+)(?:[.,](\\d+))?)(?:\\s*${UNIT}\\.?)?$`,
  'i'
)

/** Reads a quantity (rule 7.1); undefined is no number, or one past 2^53 that cannot be counted one by one. */
export function readQuantity(cell: string): number | undefined {
  if (/^\d{1,15}$/.test(cell)) return Number(cell)
  if (cell.length > 40) return undefined
  const match = NUMBER.exec(cell)
  if (!match) return undefined

  const [, thousands, fraction = '', whole = '', decimals = ''] = match
  let number = Number(`${whole}.${decimals || '0'}`)
  // `0,500` is a half: a group of thousands does not begin with 0.
  if (thousands?.startsWith('0')) number = Number(thousands.replace(',', '.'))
  else if (thousands !== undefined) number = Number(thousands.replaceAll(',', '') + fraction)
  return number <= Number.MAX_SAFE_INTEGER ? number : undefined
}

/** Rounds to six decimals (rule 7.3), so that sums such as 0.1 + 0.2 stay readable. */
export function round(quantity: number) {
  return Math.abs(quantity) < 1e9 ? Math.round(quantity * 1e6) / 1e6 : quantity
}
