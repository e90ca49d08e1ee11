import { type Dimension, readAmount } from './amount.ts'
import type { PartKind } from './part-kind.ts'

/** An electric value and the ratings written beside it: `4k7 1%` is 4700 ohms rated `1%`. */
export interface ElectricValue {
  dimension: Dimension
  amount: number
  ratings: string[]
}

const END = '(?=$|[\\s/|])'
const RATING = new RegExp(
  '^(?:(\\d+(?:\\.\\d+)?)\\s*(%|vdc|vac|v|ma|a)|(\\d+)(v)(\\d+)|(?:(\\d+)/)?(\\d+(?:\\.\\d+)?)\\s*(mw|w)|' +
    `(np0|npo|c0g|cog|x[4-9][a-z]|y5[a-z]|z5u|u2j))${END}`,
  'i'
)
// Words that say nothing the designator does not say as well. `NTC`, `ceramic`, `polymer` do: they are not here.
const NOISE = new RegExp(`^(?:resistors?|res|capacitors?|cap|inductors?|ind|smd|smt)${END}`, 'i')
const SIZE = /^0\d{3,4}(?=$|[\s/|])|^[12]\d{3}(?=$|[\s/|])/

/**
 * Reads a value such as `4k7`, `0.1uF`, `10 ohm 1/8W` or `100nF/50V`. A unit that is not written follows from
 * `kind`, what the part is known to be; `size`, the part's own chip size, may stand in the text as well.
 * Undefined when a word is not understood (`10k NTC`) or the meaning is not clear (`0.1` on a capacitor, `4,700`):
 * a wrong match is worse than none.
 */
export function readValue(
  text: string,
  kind: PartKind | undefined,
  size?: string
): ElectricValue | undefined {
  const folded = foldSigns(text)
  if (folded === undefined) return undefined

  const ratings = new Set<string>()
  let value: ElectricValue | undefined
  for (const part of folded.split(/[,;]/)) {
    let valued = false
    let rest = part.trim()

    while (rest !== '') {
      const rating = RATING.exec(rest)
      if (rating) ratings.add(foldRating(rating))
      let token = rating?.[0] ?? NOISE.exec(rest)?.[0] ?? sizeToken(rest, size)
      if (token === undefined) {
        const read = readAmount(rest, kind)
        if (!read || valued) return undefined
        // `270, 270R` says the same twice; two different values say nothing.
        if (value && (value.dimension !== read.dimension || value.amount !== read.amount)) return undefined
        value = { dimension: read.dimension, amount: read.amount, ratings: [] }
        valued = true
        token = read.token
      }
      rest = rest.slice(token.length).replace(/^[\s/|]+/, '')
    }
  }
  // Stock is found by every subset of its ratings, so they must stay few.
  return value && ratings.size <= 4 ? { ...value, ratings: [...ratings].sort() } : undefined
}

/** One way to write each sign; undefined for what is too long for a value, or has a comma of unclear meaning. */
function foldSigns(text: string): string | undefined {
  if (text.length > 60) return undefined
  let unclear = false
  const folded = text
    .replace(/[µμ]/g, 'u')
    .replace(/[ΩΩ]/g, 'ohm')
    .replace(/\+\/-|±/g, '')
    .replace(/(\d+),(\d+)/g, (_, whole: string, decimals: string) => {
      // `4,700` may be 4.7 or 4700.
      if (decimals.length === 3 && whole !== '0') unclear = true
      return `${whole}.${decimals}`
    })
  return unclear ? undefined : folded
}

/** `50V`, `0.25w`, `1%`, `c0g`: equal ratings become equal texts. */
function foldRating(match: RegExpExecArray): string {
  const [, number, unit = '', whole, v, decimals, dividend, divisor, watts = '', dielectric] = match
  if (dielectric !== undefined) return /^(?:np|co)/i.test(dielectric) ? 'c0g' : dielectric.toLowerCase()
  if (v !== undefined) return `${Number(`${whole}.${decimals}`)}v`
  if (number !== undefined) {
    const folded = unit.toLowerCase()
    return folded === 'ma' ? `${Number(`${number}e-3`)}a` : `${Number(number)}${folded.replace('vdc', 'v')}`
  }
  const power = dividend === undefined ? Number(divisor) : Number(dividend) / Number(divisor)
  return `${Number((watts.toLowerCase() === 'mw' ? power / 1000 : power).toPrecision(6))}w`
}

function sizeToken(rest: string, size: string | undefined) {
  const token = SIZE.exec(rest)?.[0]
  return token === size ? token : undefined
}
