import { codeKey, type PartKeys, partKeys } from './part-key.ts'
import { kindOfTexts, type PartKind } from './part-kind.ts'
import { round } from './quantity.ts'
import type { StockRow } from './read-stock.ts'

/** Pieces in one location: those drawn from it, or those left of one row of the stock list. */
export type Draw = { location: string; quantity: number }

/** The lots that one key finds, in the order of the list; those before `next` are used up. */
type Shelf = { lots: Draw[]; next: number }

/** What a BOM line asks for. */
export type Wanted = { code?: string | undefined; part?: string | undefined; ratings: string[] }

/** The stock that the BOM asks for. A lot may stand on several shelves; what is drawn from one is gone from all. */
export type Stock = { byCode: Map<string, Shelf>; byPart: Map<string, Shelf> }

/** Puts the rows on the shelves of those who want them, in one pass; what no line wants is not kept. */
export function stockUp(rows: Iterable<StockRow>, demand: Iterable<{ wanted: Wanted }>): Stock {
  const stock: Stock = { byCode: new Map(), byPart: new Map() }
  for (const { wanted } of demand) {
    const { code, part, ratings } = wanted
    if (code !== undefined) stock.byCode.set(code, { lots: [], next: 0 })
    if (part === undefined) continue
    stock.byPart.set(part, { lots: [], next: 0 })
    stock.byPart.set(ratedKey(part, ratings), { lots: [], next: 0 })
  }

  // Far fewer values and packages than rows: most rows find their shelves here, without a key put together for them.
  const known = new Map<string, Map<string, Map<PartKind | undefined, Shelf[]>>>()
  for (const row of rows) {
    const lot = { location: row.location, quantity: row.quantity }
    const code = codeKey(row.code)
    if (code !== undefined) stock.byCode.get(code)?.lots.push(lot)

    const kind = kindOfTexts(row.package, row.description)
    const ofValue = getOrAdd(known, row.value, () => new Map())
    const ofPackage = getOrAdd(ofValue, row.package, () => new Map())
    const shelves = getOrAdd(ofPackage, kind, () => {
      const keys = partKeys(row.value, row.package, kind)
      return keys ? searchKeys(keys).flatMap((key) => stock.byPart.get(key) ?? []) : []
    })
    for (const { lots } of shelves) lots.push(lot)
  }
  return stock
}

function getOrAdd<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const found = map.get(key)
  if (found !== undefined) return found
  const made = make()
  map.set(key, made)
  return made
}

/** Where to look for a line: by manufacturer code if the stock knows it, else by value and package. */
export function findShelf(stock: Stock, { code, part, ratings }: Wanted): Shelf | undefined {
  if (code !== undefined && isStocked(stock.byCode, code)) return stock.byCode.get(code)
  return part === undefined ? undefined : stock.byPart.get(ratedKey(part, ratings))
}

/** Whether the stock lists anything under this key: a part's code, or value and package whatever its ratings. */
export function isStocked(shelves: Map<string, Shelf>, key: string) {
  return (shelves.get(key)?.lots.length ?? 0) > 0
}

/** Takes up to `needed` pieces, the earlier rows first, so that no piece is taken twice. */
export function draw(shelf: Shelf, needed: number): Draw[] {
  const taken = new Map<string, number>()
  let open = needed
  while (open > 0) {
    const lot = shelf.lots[shelf.next]
    if (!lot) break

    const quantity = Math.min(lot.quantity, open)
    lot.quantity = round(lot.quantity - quantity)
    open = round(open - quantity)
    if (quantity > 0) taken.set(lot.location, round((taken.get(lot.location) ?? 0) + quantity))
    if (lot.quantity === 0) shelf.next++
  }
  return Array.from(taken, ([location, quantity]) => ({ location, quantity }))
}

/** A lot of `100nF 50V X7R` serves who asks for 100nF, for 50V or X7R too, or for both; not who asks for 100V. */
function searchKeys({ part, ratings, text }: PartKeys): string[] {
  let subsets: string[][] = [[]]
  for (const rating of ratings) subsets = subsets.flatMap((subset) => [subset, [...subset, rating]])
  const keys = subsets.map((subset) => ratedKey(part, subset))
  return text === undefined ? keys : [...keys, text]
}

function ratedKey(part: string, ratings: string[]) {
  return ratings.length === 0 ? part : `${part}|${ratings.join(' ')}`
}
