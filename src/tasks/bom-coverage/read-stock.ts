import { isPlaceholder } from './cell.ts'
import { failure } from './failure.ts'
import { readQuantity } from './quantity.ts'
import { readRecords } from './records.ts'
import { collectWarnings, quote, say } from './warnings.ts'

/** One row of the stock list: one location of one part (section 11). */
export interface StockRow {
  code: string
  value: string
  package: string
  description: string
  quantity: number
  location: string
}

/** Reads stock rows one at a time; what cannot be understood is left out, with a warning. */
export interface StockList {
  rows: Iterable<StockRow>
  /** Filled while `rows` is read. */
  warnings: ReturnType<typeof collectWarnings>
}

/** @throws STOCK_UNREADABLE when the columns are not found */
export function readStock(list: string): StockList {
  const text = list.startsWith('\ufeff') ? list.slice(1) : list
  const columns = findColumns(text)
  const warnings = collectWarnings('stock', 'stock list')
  return { rows: stockRows(text, columns, warnings), warnings }
}

function* stockRows(
  text: string,
  columns: StockColumns,
  warnings: StockList['warnings']
): Generator<StockRow, void> {
  for (const { line, cells, unclosed } of readRecords(text, ',')) {
    if (unclosed) warnings.add(line, say('unclosedQuote'))
    if (line <= columns.line || cells.every((cell) => cell === '')) continue

    const quantityCell = cells[columns.quantity] ?? ''
    const quantity = readQuantity(quantityCell)
    const row = {
      code: cellAt(cells, columns.code),
      value: cellAt(cells, columns.value),
      package: cellAt(cells, columns.package),
      description: cellAt(cells, columns.description),
      quantity: quantity ?? 0,
      location: cellAt(cells, columns.location)
    }

    // A comma too many moves the cells behind it: what then stands under quantity may be a size or a price.
    if (cells.length > columns.width && cells.findLastIndex((cell) => cell !== '') >= columns.width) {
      warnings.add(line, say('stockRowWide', cells.length, columns.width))
    } else if (cells.length <= columns.quantity) {
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

interface StockColumns {
  line: number
  width: number
  quantity: number
  code?: number | undefined
  value?: number | undefined
  package?: number | undefined
  description?: number | undefined
  location?: number | undefined
}

function cellAt(cells: string[], column: number | undefined) {
  return (column === undefined ? undefined : cells[column]) ?? ''
}

function findColumns(text: string): StockColumns {
  for (const { line, cells } of readRecords(text, ',')) {
    if (cells.every((cell) => cell === '')) continue

    const places = new Map(cells.map((cell, column) => [cell.toLowerCase().replace(/[\s_-]+/g, '_'), column]))
    const quantity = places.get('quantity')
    const code = places.get('manufacturer_code')
    const value = places.get('value')
    const packageColumn = places.get('package')
    if (
      quantity === undefined ||
      (code === undefined && (value === undefined || packageColumn === undefined))
    )
      break
    return {
      line,
      width: cells.length,
      quantity,
      code,
      value,
      package: packageColumn,
      description: places.get('description'),
      location: places.get('location')
    }
  }
  throw failure(
    'STOCK_UNREADABLE',
    'The stock list does not begin with a header row of comma-separated columns: part_id, manufacturer_code, value, ' +
      'package, description, quantity, location (needed are quantity, and manufacturer_code or value and package)'
  )
}
