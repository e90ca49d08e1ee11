import { isPlaceholder } from './cell.ts'
import { failure } from './failure.ts'
import { readQuantity } from './quantity.ts'
import { readRecords } from './records.ts'
import { collectWarnings, quote, say } from './warnings.ts'

/** One row of the stock list: one location of one part (section 11). */
export type StockRow = ReturnType<typeof stockRows> extends Generator<infer Row> ? Row : never

type Warnings = ReturnType<typeof collectWarnings>

/** Reads stock rows one at a time; what is not understood is left out, with a warning. @throws STOCK_UNREADABLE */
export function readStock(list: string) {
  const text = list.startsWith('\ufeff') ? list.slice(1) : list
  const columns = findColumns(text)
  const warnings = collectWarnings('stock', 'stock list')
  return { rows: stockRows(text, columns, warnings), warnings }
}

function* stockRows(text: string, columns: ReturnType<typeof findColumns>, warnings: Warnings) {
  const { width, quantityColumn } = columns
  for (const { line, cells, unclosed } of readRecords(text, ',')) {
    if (unclosed) warnings.add(line, say('unclosedQuote'))
    if (line <= columns.line || cells.every((cell) => cell === '')) continue

    const quantityCell = cells[quantityColumn] ?? ''
    const quantity = readQuantity(quantityCell)
    const row = {
      code: cells[columns.code] ?? '',
      value: cells[columns.value] ?? '',
      package: cells[columns.package] ?? '',
      description: cells[columns.description] ?? '',
      quantity: quantity ?? 0,
      location: cells[columns.location] ?? ''
    }

    // A comma too many moves the cells behind it: what then stands under quantity may be a size or a price.
    if (cells.length > width && cells.findLastIndex((cell) => cell !== '') >= width) {
      warnings.add(line, say('stockRowWide', cells.length, width))
    } else if (cells.length <= quantityColumn) {
      warnings.add(line, say('stockRowShort', cells.length))
    } else if (quantity === undefined) {
      warnings.add(line, say('stockQuantity', quote(quantityCell)))
    } else if (isPlaceholder(row.code) && isPlaceholder(row.value)) {
      warnings.add(line, say('stockRowNameless'))
    } else {
      yield row
    }
  }
}

/** Where the columns are; -1 is no column, and its cells are undefined. */
function findColumns(text: string) {
  for (const { line, cells } of readRecords(text, ',')) {
    if (cells.every((cell) => cell === '')) continue

    const names = cells.map((cell) => cell.toLowerCase().replace(/[\s_-]+/g, '_'))
    const columns = {
      line,
      width: cells.length,
      quantityColumn: names.lastIndexOf('quantity'),
      code: names.lastIndexOf('manufacturer_code'),
      value: names.lastIndexOf('value'),
      package: names.lastIndexOf('package'),
      description: names.lastIndexOf('description'),
      location: names.lastIndexOf('location')
    }
    const namesParts = columns.code >= 0 || (columns.value >= 0 && columns.package >= 0)
    if (columns.quantityColumn >= 0 && namesParts) return columns
    break
  }
  throw failure(
    'STOCK_UNREADABLE',
    'The stock list does not begin with a header row of comma-separated columns: part_id, manufacturer_code, value, ' +
      'package, description, quantity, location (needed are quantity, and manufacturer_code or value and package)'
  )
}
