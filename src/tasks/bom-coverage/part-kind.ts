/** What decides how a value without its unit is meant; `other` is any part that is none of the first four. */
export type PartKind = 'resistor' | 'capacitor' | 'inductor' | 'bead' | 'other'

// Thermistors and varistors are written with R and share chip sizes with resistors, but replace none.
const OTHER = /^(?:RT|RTH|RL|RLY|RY|RJ|RF|CN|CON|CONN|CR|CT|CH|CPU|CLK|LED|LD|LS|LCD|LP|LK)$/

/** What the letters of the designators say; lines that mix kinds are `other`. Undefined without designators. */
export function kindOfDesignators(designators: string[]): PartKind | undefined {
  const [kind, ...others] = new Set(designators.map(kindOfDesignator))
  return others.length > 0 ? 'other' : kind
}

function kindOfDesignator(designator: string): PartKind {
  const letters = /^[A-Z]*/.exec(designator.toUpperCase())?.[0] ?? ''
  if (/^(?:FB|FER)/.test(letters)) return 'bead'
  if (OTHER.test(letters)) return 'other'
  if (/^(?:R|VR$|POT$)/.test(letters)) return 'resistor'
  if (letters.startsWith('C')) return 'capacitor'
  return letters.startsWith('L') ? 'inductor' : 'other'
}

const FOOTPRINT =
  /(?:^|:)(?:(r|res|resistor)|(c|cp|cap|capacitor)|(l|ind|inductor)|led|d|diode)(?:[-_]|(?=\d))/i
const WORDS =
  /\b(?:(thermistor|ntc|ptc|varistor|potentiometer|trimmer|fuse|led|diode|crystal|filter)|(ferrite|beads?)|(res|resistors?|widerstand|resistencia)|(cap|caps|capacitors?|mlcc|kondensator|condensador)|(inductors?|inductance|choke|coil|spule))\b/i

/** What the footprint's prefix says, else the first telling word of the description. */
export function kindOfTexts(packageName: string, description: string): PartKind | undefined {
  const footprint = FOOTPRINT.exec(packageName.slice(0, 200))
  if (footprint) {
    const [, resistor, capacitor, inductor] = footprint
    return resistor ? 'resistor' : capacitor ? 'capacitor' : inductor ? 'inductor' : 'other'
  }

  const words = WORDS.exec(description.slice(0, 200))
  if (!words) return undefined
  const [, other, bead, resistor, capacitor] = words
  return other ? 'other' : bead ? 'bead' : resistor ? 'resistor' : capacitor ? 'capacitor' : 'inductor'
}
