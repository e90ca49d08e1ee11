import { anyOf, isPlaceholder, isProse, trimSigns } from './cell.ts'
import { chip } from './words.ts'

/** Sizes in inches, as they are written: whole, or without the zero that a spreadsheet ate; and in millimetres. */
const byInch = new Map<string, string>()
const byMetric = new Map<string, string>()
const metricOf = new Map<string, string>()
for (const size of chip.sizes) {
  const [inch = '', metric = ''] = size.split('=')
  byInch.set(inch, inch)
  if (inch.startsWith('0')) byInch.set(inch.slice(-3), inch)
  byMetric.set(metric, inch)
  metricOf.set(inch, metric)
}

const CHIP = new RegExp(
  `^(?:(?:(${anyOf(chip.kinds)})|(${anyOf(chip.mounts)}))[-_, ]?)?(\\d{3,5})(?:[-_ ]?\\(?(\\d{4,5})(?:[-_ ]?metric)?\\)?)?` +
    `((?:[-_ ]?${anyOf(chip.tails)})?(?:[-_ ]?[a-z])?(?:@\\d+)?)(?:_pad[\\d.x]+mm)?(?:_handsolder(?:ing)?)?$`,
  'i'
)
const IPC = new RegExp(`^${anyOf(chip.ipcKinds)}c(\\d{4})x\\d+[a-z]?$`, 'i')

/** The size in inches of a chip part (`0402` for `C_0402_1005Metric`, `402`, `RESC1005X40N`); else undefined (rule 12.2). */
export function chipSize(name: string): string | undefined {
  const bare = bareName(name)
  const ipc = IPC.exec(bare)?.[1]
  if (ipc !== undefined) return byMetric.get(ipc)

  const [, kind, mount, size = '', second, tail] = CHIP.exec(bare) ?? []
  const inch = byInch.get(size)
  if (inch !== undefined) return second === undefined || metricOf.get(inch) === second ? inch : undefined

  // A metric size alone, before its inch size, or behind a kind of part; `SMD-3225` is a crystal.
  const meant = byMetric.get(size)
  if (second !== undefined) return second === meant ? meant : undefined
  return kind !== undefined || (mount === undefined && tail === '') ? meant : undefined
}

/** What a package cell is matched by: equal for equal packages; undefined when it names several (rules 12.3 and 12.5). */
export function packageKey(cell: string): string | undefined {
  const [key, ...others] = new Set(splitPackages(cell).map(foldPackage))
  return others.length > 0 ? undefined : (key ?? '')
}

const BETWEEN =
  /[;|\r\n]|(?<![\p{L}\p{N}])or(?![\p{L}\p{N}])|(?<!\d),|,(?!\d)|(?<=(?<!\d)\d{4}),(?=\d{4}(?!\d))/iu

function splitPackages(cell: string): string[] {
  // Nearly all cells; and no name is that long.
  if (!/[;|,/\r\n]|or/i.test(cell) || cell.length > 500) return [cell]
  const parts = cell.split(BETWEEN).filter((part) => part.trim() !== '')
  return parts.flatMap((part) => {
    const sizes = part.split('/')
    return sizes.every((size) => chipSize(size) !== undefined) ? sizes : [part]
  })
}

function foldPackage(name: string): string {
  const size = chipSize(name)
  if (size !== undefined) return size
  // Between digits a separator counts: SOT-23-6 is not SOT-236.
  const separated = bareName(name)
    .toLowerCase()
    .replace(/(?<=\d)[-_\s]+(?=\d)/g, '-')
  return separated.replace(/[-_\s]+(?!\d)|(?<!\d)[-_\s]+/g, '')
}

/** Without library, and without the apostrophe that keeps a spreadsheet from eating a leading zero (rule 12.1). */
function bareName(name: string) {
  return trimSigns(name.slice(name.lastIndexOf(':') + 1).slice(0, 200), ` \t"'’‘“”\``)
}

const UNIT = `\\s*(?:[pnuµμmkMG]?${anyOf(chip.scaledUnits)}|${anyOf(chip.plainUnits)})(?![\\p{L}\\p{N}])`
const SIZE = new RegExp(
  `(?<![\\p{L}\\p{N}.-]|\\d,)(?:${[...metricOf.keys()].join('|')})(?![\\p{L}\\p{N}.-]|,\\d|${UNIT})`,
  'giu'
)
const SIZED = new RegExp(`^(?:${anyOf(chip.sizedPrefixes)})\\d`)

/** The chip size that stands in the value or description of a part without a package (rule 12.4). */
export function sizeInTexts(designators: string[], value: string, description: string): string | undefined {
  if (!designators.every((name) => SIZED.test(name))) return undefined
  const sizes = new Set(sizesIn(value))
  const [size, ...others] = sizes.size > 0 ? sizes : new Set(sizesIn(description))
  return others.length > 0 ? undefined : size
}

function sizesIn(text: string): string[] {
  return isPlaceholder(text) || isProse(text) ? [] : (text.match(SIZE) ?? []).filter((size) => size !== text)
}

/** The value without the size that was taken for its package. */
export function dropSize(value: string, size: string) {
  const rest = value.replace(SIZE, (found) => (found === size ? ' ' : found))
  return rest.replace(/\s+/g, ' ').trim()
}
