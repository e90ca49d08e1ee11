import type { PartLine } from './part-line.ts'

/**
 * Puts the tables of one file together (section 8): a table that names every designator read so far replaces what
 * was read, any other is appended. Where no designator was read nothing can come again, and the table is appended.
 */
export function collectTables() {
  let lines: PartLine[] = []
  let named = new Set<string>()
  let table: PartLine[] = []
  let count = 1

  return {
    add(line: PartLine) {
      table.push(line)
    },
    /** Ends a table, at the next header row or the end of the file; answers how many lines it replaced. */
    end() {
      const names = new Set<string>()
      for (const { designators } of table) for (const name of designators) names.add(name)
      const replaced = named.size > 0 && isSubset(named, names) ? lines.length : 0
      if (replaced > 0 || lines.length === 0) {
        lines = table
        named = names
      } else {
        // One by one: a file may have as many tables as rows, and a table more lines than a call takes arguments.
        for (const line of table) lines.push(line)
        for (const name of names) named.add(name)
      }
      table = []
      return replaced
    },
    next: () => ++count,
    lines: () => lines,
    /** How many different designators these lines name. */
    designators: () => named.size,
    count: () => count
  }
}

function isSubset(names: Set<string>, of: Set<string>) {
  if (names.size > of.size) return false
  for (const name of names) {
    if (!of.has(name)) return false
  }
  return true
}
