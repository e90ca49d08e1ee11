// Chip sizes in inches, each with its size in millimetres as KiCad writes it after the first.
const METRIC = new Map([
  ['01005', '0402'],
  ['0201', '0603'],
  ['0402', '1005'],
  ['0603', '1608'],
  ['0612', '1632'],
  ['0805', '2012'],
  ['1008', '2520'],
  ['1206', '3216'],
  ['1210', '3225'],
  ['1218', '3246'],
  ['1806', '4516'],
  ['1808', '4520'],
  ['1812', '4532'],
  ['1825', '4564'],
  ['2010', '5025'],
  ['2220', '5750'],
  ['2225', '5664'],
  ['2512', '6332']
])

const CHIP =
  /^(?:(?:resistor|res|r|capacitor|cap|c|inductor|ind|l|(?:chip[-_ ]?)?led|diode|d|fuse|f|fb|rv|smd|chip)[-_, ]?)?(\d{3,5})(?:[-_ ]?(?:res|cap|ind|led|smd|pol))?(?:[-_ ]?\(?(\d{4})(?:[-_ ]?metric)?\)?)?(?:_pad[\d.x]+mm)?(?:_handsolder(?:ing)?)?$/i

/** The size of a chip part (`0402` for `C_0402_1005Metric`, `402`, `R-0402`); undefined for any other package. */
export function chipSize(name: string): string | undefined {
  const match = CHIP.exec(bareName(name))
  if (!match) return undefined

  const [, digits = '', metric] = match
  // Three digits are a size whose leading zero a spreadsheet ate. Two sizes that do not belong together are a guess.
  const size = digits.length === 3 ? `0${digits}` : digits
  const known = METRIC.get(size)
  return known !== undefined && (metric === undefined || metric === known) ? size : undefined
}

/** Folds what differs in writing only: `Package_SO:SOIC-8` = `soic8`, `SOT-23-6` = `SOT23_6`, `D_SOD-123` = `SOD-123`. */
export function foldPackage(name: string): string {
  return (
    chipSize(name) ??
    bareName(name)
      .toLowerCase()
      .replace(/^d[-_](?=sod|sm[abc]|do[-_]|melf|minimelf)/, '')
      // Between digits a separator counts: SOT-23-6 is not SOT-236.
      .replace(/(?<=\d)[-_\s]+(?=\d)/g, '-')
      .replace(/[-_\s]+(?!\d)|(?<!\d)[-_\s]+/g, '')
  )
}

/** Without library, and without the apostrophe that keeps a spreadsheet from eating a leading zero. */
function bareName(name: string) {
  return name
    .slice(name.lastIndexOf(':') + 1)
    .slice(0, 200)
    .replace(/^['’\s]+/, '')
    .replace(/['’\s]+$/, '')
}
