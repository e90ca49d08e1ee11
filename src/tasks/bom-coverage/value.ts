import type { PartKind } from './part-kind.ts'

/** What an amount measures; a bead's ohms are its impedance, which makes it no resistor. */
type Dimension = 'ohm' | 'farad' | 'henry' | 'hertz' | 'bead'

const END = '(?=$|[\\s/|])'
const NOTATIONS = [
  // 10k, 100nF, 4700, 10 ohm
  /^(?<whole>\d+(?:\.\d*)?|\.\d+)\s*(?<prefix>meg|[pnumkg])?(?<unit>ohms?|farads?|hz|[fhr])?(?=$|[\s/|])/i,
  // 4k7, 4R7, 3n3F
  /^(?<whole>\d+)(?<prefix>[pnumkgr])(?<decimals>\d+)\s*(?<unit>ohms?|[fhr])?(?=$|[\s/|])/i,
  // R47, u1, n47F
  /^(?<prefix>[rRunp])(?<decimals>\d+)(?<unit>[fFhH])?(?=$|[\s/|])/
]
const RATING = new RegExp(
  '^(?:(\\d+(?:\\.\\d+)?)\\s*(%|vdc|vac|v|ma|a)|(\\d+)(v)(\\d+)|(?:(\\d+)/)?(\\d+(?:\\.\\d+)?)\\s*(mw|w)|' +
    `(np0|npo|c0g|cog|x[4-9][a-z]|y5[a-z]|z5u|u2j))${END}`,
  'i'
)
// Words that say nothing the designator does not say as well. `NTC`, `ceramic`, `polymer` do: they are not here.
const NOISE = new RegExp(`^(?:resistors?|res|capacitors?|cap|inductors?|ind|smd|smt)${END}`, 'i')
const SIZE = new RegExp(`^(?:0\\d{3,4}|[12]\\d{3})${END}`)

const EXPONENTS = { p: -12, n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9 }
type Prefix = keyof typeof EXPONENTS

/** What the units measure, and with which prefixes. */
const WRITTEN: Record<string, [Dimension, ...Prefix[]]> = {
  r: ['ohm', 'm', '', 'k', 'M', 'G'],
  f: ['farad', 'p', 'n', 'u', 'm', ''],
  h: ['henry', 'n', 'u', 'm', ''],
  hz: ['hertz', '', 'k', 'M', 'G']
}
/** The same where no unit is written and the kind of part tells it. */
const IMPLIED: Partial<Record<PartKind, [Dimension, ...Prefix[]]>> = {
  resistor: ['ohm', 'm', '', 'k', 'M', 'G'],
  capacitor: ['farad', 'p', 'n', 'u', 'm'],
  inductor: ['henry', 'n', 'u', 'm'],
  bead: ['bead', '', 'k', 'M']
}

/**
 * Reads a value such as `4k7`, `0.1uF`, `10 ohm 1/8W` or `100nF/50V`, which may name its own chip `size`. Undefined
 * when it is not understood (`10k NTC`) or not clear (`0.1` on a capacitor): a wrong match is worse than none.
 */
export function readValue(text: string, kind?: PartKind, size?: string) {
  const ratings = new Set<string>()
  let value: ReturnType<typeof readAmount>
  for (const part of foldSigns(text)?.split(/[,;]/) ?? []) {
    let valued = false
    let rest = part.trim()

    while (rest !== '') {
      const rating = RATING.exec(rest)
      if (rating) ratings.add(foldRating(rating))
      const ownSize = SIZE.exec(rest)?.[0]
      let token = rating?.[0] ?? NOISE.exec(rest)?.[0] ?? (ownSize === size ? size : undefined)
      if (token === undefined) {
        const read = readAmount(rest, kind)
        if (!read || valued) return undefined
        // `270, 270R` says the same twice; two different values say nothing.
        if (value && (value.dimension !== read.dimension || value.amount !== read.amount)) return undefined
        value = read
        valued = true
        token = read.token
      }
      rest = rest.slice(token.length).replace(/^[\s/|]+/, '')
    }
  }
  // Stock is found by every subset of its ratings, so they must stay few.
  if (!value || ratings.size > 4) return undefined
  return { dimension: value.dimension, amount: value.amount, ratings: [...ratings].sort() }
}

/** One way to write micro and ohm, each of which Unicode has twice. */
export function foldUnits(text: string) {
  return text.replace(/[\u00b5\u03bc]/g, 'u').replace(/[\u03a9\u2126]/g, 'ohm')
}

const COMMA = /(\d+),(\d+)/g

/** One way to write each sign; undefined for what is too long for a value, or has a comma of unclear meaning. */
function foldSigns(text: string): string | undefined {
  if (text.length > 60) return undefined
  const folded = foldUnits(text).replace(/\+\/-|±/g, '')
  // `4,700` may be 4.7 or 4700.
  const isUnclear = ([, whole, decimals]: string[]) => decimals?.length === 3 && whole !== '0'
  return [...folded.matchAll(COMMA)].some(isUnclear) ? undefined : folded.replace(COMMA, '$1.$2')
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

/** The amount that a text begins with; undefined if there is none, or its unit is not clear. */
function readAmount(text: string, kind: PartKind | undefined) {
  const match = NOTATIONS.reduce<RegExpExecArray | null>((found, one) => found ?? one.exec(text), null)
  if (!match) return undefined

  const { whole = '', decimals, prefix: written = '', unit: writtenUnit = '' } = match.groups ?? {}
  // `47u25` is 47 uF for 25 V, not 47.25 uF: nobody makes capacitors that exact.
  const digits = whole === '' || decimals === undefined ? '' : (whole + decimals).replace(/^0+/, '')
  if (digits.length > (/[pnu]/i.test(written) ? 3 : 4)) return undefined

  const isOhm = /^r$/i.test(written)
  const unit = isOhm
    ? 'r'
    : writtenUnit
        .toLowerCase()
        .replace(/^ohms?$/, 'r')
        .replace(/^farads?$/, 'f')
  const prefix = isOhm ? '' : foldPrefix(written, unit)
  const dimension = prefix === undefined ? undefined : dimensionOf(unit, written, prefix, kind)
  if (prefix === undefined || !dimension) return undefined
  // Reading the decimal text, not multiplying, makes 0.1u and 100n the same number.
  const number = decimals === undefined ? whole : `${whole || 0}.${decimals}`
  return { token: match[0], dimension, amount: Number(`${number}e${EXPONENTS[prefix]}`) }
}

/** Case tells mega from milli and nothing else; there are no millihertz here, and no megafarads anywhere. */
function foldPrefix(written: string, unit: string): Prefix | undefined {
  if (written === 'm') return unit === 'hz' ? 'M' : 'm'
  if (written === 'M' || written.toLowerCase() === 'meg')
    return unit === 'f' || unit === 'h' ? undefined : 'M'
  const folded = written === 'G' ? written : written.toLowerCase()
  return folded in EXPONENTS ? (folded as Prefix) : undefined
}

function dimensionOf(unit: string, written: string, prefix: Prefix, kind: PartKind | undefined) {
  // A thermistor's 10 kohm, a varactor's 10 pF are no resistor's and no capacitor's.
  if (kind === 'other' && unit !== 'hz') return undefined
  if (unit === '' && kind === undefined) {
    // As custom has it, 100n is farads and 4k7 ohms; `4P` may be four poles, `10m` and `1G` may be anything.
    if ('pnu'.includes(prefix) && prefix !== '') return written === prefix ? 'farad' : undefined
    return prefix === 'm' || prefix === 'G' ? undefined : 'ohm'
  }
  const [dimension, ...prefixes]: [Dimension?, ...Prefix[]] =
    (unit === '' ? kind && IMPLIED[kind] : WRITTEN[unit]) ?? []
  if (!prefixes.includes(prefix) || (unit === 'r' && kind === 'capacitor')) return undefined
  return unit === 'r' && (kind === 'bead' || kind === 'inductor') ? 'bead' : dimension
}
