import { setImmediate } from 'node:timers/promises'
import { type Static, Type } from '@sinclair/typebox'
import { defineTask, type TaskContext } from '../../task-type.ts'
import { coverLine, demandOf } from './coverage.ts'
import { decodeBase64, decodeBytes, decodeText } from './decode.ts'
import { fitResult } from './fit-result.ts'
import { readBom } from './read-bom.ts'
import { readStock } from './read-stock.ts'
import { type CoverageResult, countTotals, listShopping, resultLine } from './result.ts'
import { stockUp } from './stock.ts'
import { say, type Warning } from './warnings.ts'

const Input = Type.Object(
  {
    bom: Type.Optional(
      Type.String({
        contentMediaType: 'text/csv',
        description: 'The bill of materials as text; this or `bomBase64`.'
      })
    ),
    bomBase64: Type.Optional(
      Type.String({
        contentMediaType: 'text/csv',
        contentEncoding: 'base64',
        description: "The bill of materials as the file's bytes in base64; this or `bom`."
      })
    ),
    stock: Type.Optional(
      Type.String({
        contentMediaType: 'text/csv',
        description:
          'The stock list, CSV with the columns part_id, manufacturer_code, value, package, description, quantity, location. Without it every placed line is `unknown`.'
      })
    ),
    boards: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000, default: 1, description: 'How many boards to build.' })
    )
  },
  {
    additionalProperties: false,
    // Exactly one of the two; unlike oneOf, this makes a validation error that names the field.
    if: { properties: { bomBase64: true }, required: ['bomBase64'] },
    // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema
    then: { properties: { bom: { not: {} } } },
    else: { properties: { bom: true }, required: ['bom'] }
  }
)

export default defineTask({
  type: 'bom-coverage',
  description: 'Reads a bill of materials in CSV from any common exporter and says what the stock covers.',
  input: Input,
  isolation: 'process',
  // It only computes, so doing it again is safe.
  onShutdown: 'requeue',
  onLost: 'requeue',
  run: coverBom
})

/** @throws BOM_UNREADABLE, BOM_TOO_LARGE, BOM_BASE64_INVALID, STOCK_UNREADABLE */
async function coverBom(input: Static<typeof Input>, ctx: TaskContext): Promise<CoverageResult> {
  ctx.progress(0, 'Reading the BOM')
  const { bom: text = '', bomBase64 } = input
  const bom = readBom(bomBase64 === undefined ? decodeText(text) : decodeBytes(decodeBase64(bomBase64)))
  const demand = bom.lines.map(demandOf)
  await pause(ctx.signal)

  ctx.progress(0.3, 'Reading the stock list')
  const list = input.stock?.trim() ? readStock(input.stock) : undefined
  const stock = list && stockUp(list.rows, demand)
  const empty: Warning[] = input.stock === undefined ? [] : [{ source: 'stock', message: say('stockEmpty') }]
  await pause(ctx.signal)

  ctx.progress(0.7, 'Matching')
  const covered = demand.map((one) => coverLine(one, input.boards ?? 1, stock))
  await pause(ctx.signal)

  const result = fitResult({
    figures: bom.figures,
    lines: covered.map(resultLine),
    totals: countTotals(covered),
    shoppingList: listShopping(covered),
    warnings: [...bom.warnings, ...(list?.warnings.list() ?? empty)]
  })
  ctx.progress(1, 'Done')
  return result
}

/** Lets a cancel reach this thread between two phases. */
async function pause(signal: AbortSignal) {
  await setImmediate()
  signal.throwIfAborted()
}
