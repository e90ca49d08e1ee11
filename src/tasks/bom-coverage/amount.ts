import type { PartKind } from './part-kind.ts'

/** What an amount measures; a bead's ohms are its impedance, which makes it no resistor. */
export type Dimension = 'ohm' | 'farad' | 'henry' | 'hertz' | 'bead'

/** An amount in its base unit, and the text that says it. */
export interface Amount {
  token: string
  dimension: Dimension
  amount: number
}

const END = '(?=$|[\\s/|])'
/** 10k, 100nF, 4700, 10 ohm */
const PLAIN = new RegExp(`^(\\d+(?:\\.\\d*)?|\\.\\d+)\\s*(meg|[pnumkg])?(ohms?|farads?|hz|[fhr])?${END}`, 'i')
/** 4k7, 4R7, 3n3F */
const INFIX = new RegExp(`^(\\d+)([pnumkgr])(\\d+)\\s*(ohms?|[fhr])?${END}`, 'i')
/** R47, u1, n47F */
const LEADING = new RegExp(`^([rR]|[unp])(\\d+)([fFhH])?${END}`)

const EXPONENTS = { p: -12, n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9 }
type Prefix = keyof typeof EXPONENTS

/** Reads the amount that a text begins with; undefined if there is none, or its unit is not clear. */
export function readAmount(text: string, kind: PartKind | undefined): Amount | undefined {
  const parts = splitAmount(text)
  if (!parts) return undefined

  const prefix = foldPrefix(parts.prefix, parts.unit)
  if (prefix === undefined) return undefined
  const dimension =
    parts.unit === ''
      ? impliedDimension(parts.prefix, prefix, kind)
      : writtenDimension(parts.unit, prefix, kind)
  if (!dimension) return undefined

  // Reading the decimal text, not multiplying, makes 0.1u and 100n the same number.
  return { token: parts.token, dimension, amount: Number(`${parts.number}e${EXPONENTS[prefix]}`) }
}

/** The number, prefix and unit (`r`, `f`, `h`, `hz`, or none) of each of the three notations. */
function splitAmount(text: string) {
  const plain = PLAIN.exec(text)
  if (plain) {
    const [token, number = '', prefix = '', unit = ''] = plain
    return { token, number, prefix, unit: foldUnit(unit) }
  }

  const infix = INFIX.exec(text)
  if (infix) {
    const [token, whole = '', letter = '', decimals = '', unit = ''] = infix
    const isOhm = letter.toLowerCase() === 'r'
    // `47u25` is 47 uF for 25 V, not 47.25 uF: nobody makes capacitors that exact.
    const digits = (whole + decimals).replace(/^0+/, '').length
    if (digits > (/[pnu]/i.test(letter) ? 3 : 4)) return undefined
    return {
      token,
      number: `${whole}.${decimals}`,
      prefix: isOhm ? '' : letter,
      unit: isOhm ? 'r' : foldUnit(unit)
    }
  }

  const leading = LEADING.exec(text)
  if (!leading) return undefined
  const [token, letter = '', decimals = '', unit = ''] = leading
  const isOhm = letter.toLowerCase() === 'r'
  return { token, number: `0.${decimals}`, prefix: isOhm ? '' : letter, unit: isOhm ? 'r' : foldUnit(unit) }
}

function foldUnit(unit: string) {
  const folded = unit.toLowerCase()
  if (folded.startsWith('ohm')) return 'r'
  return folded.startsWith('farad') ? 'f' : folded
}

/** Case tells mega from milli and nothing else; there are no millihertz here, and no megafarads anywhere. */
function foldPrefix(prefix: string, unit: string): Prefix | undefined {
  if (prefix === 'm') return unit === 'hz' ? 'M' : 'm'
  if (prefix === 'M' || prefix.toLowerCase() === 'meg') return unit === 'f' || unit === 'h' ? undefined : 'M'
  if (prefix === 'G') return 'G'
  const folded = prefix.toLowerCase()
  return folded === 'p' || folded === 'n' || folded === 'u' || folded === 'k' || folded === ''
    ? folded
    : undefined
}

function writtenDimension(unit: string, prefix: Prefix, kind: PartKind | undefined): Dimension | undefined {
  if (unit === 'hz') return 'Mk'.includes(prefix) || prefix === 'G' ? 'hertz' : undefined
  // A thermistor's 10 kohm, a varactor's 10 pF are no resistor's and no capacitor's.
  if (kind === 'other') return undefined
  if (unit === 'f') return 'pnum'.includes(prefix) ? 'farad' : undefined
  if (unit === 'h') return 'num'.includes(prefix) ? 'henry' : undefined
  if (!'mkMG'.includes(prefix) || kind === 'capacitor') return undefined
  return kind === 'bead' || kind === 'inductor' ? 'bead' : 'ohm'
}

/** Where no unit is written, the kind of part tells it, and where that is not known, custom: 100n is farads, 4k7 ohms. */
function impliedDimension(
  written: string,
  prefix: Prefix,
  kind: PartKind | undefined
): Dimension | undefined {
  switch (prefix) {
    case '':
    case 'k':
    case 'M':
      if (kind === 'bead') return 'bead'
      return kind === undefined || kind === 'resistor' ? 'ohm' : undefined
    case 'G':
      return kind === 'resistor' ? 'ohm' : undefined
    case 'm':
      return kind === 'resistor'
        ? 'ohm'
        : kind === 'capacitor'
          ? 'farad'
          : kind === 'inductor'
            ? 'henry'
            : undefined
    case 'p':
    case 'n':
    case 'u':
      if (kind === 'capacitor') return 'farad'
      if (kind === 'inductor' && prefix !== 'p') return 'henry'
      // `4P` may be four poles.
      return kind === undefined && written === prefix ? 'farad' : undefined
  }
}
