// Own reader: csv-parse and papaparse refuse or misread what rules 2.1 to 2.3 allow (text after a closing quote,
// a quote that is never closed) and lose the physical line a record starts on.

/** `line` is the physical line it starts on (rule 2.6), `unclosed` that a quoted cell ran to the end of the file. */
export type CsvRecord = { line: number; cells: string[]; unclosed: boolean }

const QUOTE = 0x22
const LF = 0x0a
const CR = 0x0d

/** Splits text into records of trimmed cells (section 2), one at a time. `delimiter` is one UTF-16 unit. */
export function* readRecords(text: string, delimiter: string, from = { offset: 0, line: 1 }) {
  const separator = delimiter.charCodeAt(0)
  const end = text.length
  let at = from.offset
  let line = from.line

  while (at < end) {
    const record: CsvRecord = { line, cells: [], unclosed: false }

    for (;;) {
      let quoted = ''
      if (text.charCodeAt(at) === QUOTE) {
        const close = closingQuote(text, at + 1)
        quoted = text.slice(at + 1, close).replaceAll('""', '"')
        line += countLineEnds(quoted)
        record.unclosed ||= close === end
        at = Math.min(close + 1, end)
      }

      const start = at
      let code = 0
      while (at < end) {
        code = text.charCodeAt(at)
        if (code === separator || code === LF || code === CR) break
        at++
      }
      record.cells.push(trim(quoted === '' ? text.slice(start, at) : quoted + text.slice(start, at)))

      if (at === end) break
      at++
      if (code === separator) continue
      if (code === CR && text.charCodeAt(at) === LF) at++
      line++
      break
    }
    yield record
  }
}

/** Where the quoted cell that began before `at` closes; the end of the text when it never does (rule 2.3). */
function closingQuote(text: string, at: number) {
  for (;;) {
    const quote = text.indexOf('"', at)
    if (quote === -1) return text.length
    if (text.charCodeAt(quote + 1) !== QUOTE) return quote
    at = quote + 2
  }
}

function countLineEnds(cell: string) {
  let count = 0
  for (let at = 0; at < cell.length; at++) {
    const code = cell.charCodeAt(at)
    if (code === LF || (code === CR && cell.charCodeAt(at + 1) !== LF)) count++
  }
  return count
}

// Most cells have nothing to trim, and looking is cheaper than calling.
function trim(cell: string): string {
  const first = cell.charCodeAt(0)
  const last = cell.charCodeAt(cell.length - 1)
  const trimmed = first > 0x20 && first < 0x7f && last > 0x20 && last < 0x7f ? cell : cell.trim()
  // A spreadsheet's way to keep the zero of `="0603"` (rule 2.5).
  return trimmed.startsWith('=') ? (/^="([^"]*)"$/.exec(trimmed)?.[1] ?? trimmed).trim() : trimmed
}

/** Records one by one, of which the next few can be seen before. */
export type Records = ReturnType<typeof lookAhead>

export function lookAhead(records: Generator<CsvRecord, void>) {
  const waiting: CsvRecord[] = []

  return {
    next: () => waiting.shift() ?? records.next().value ?? undefined,
    peek(count: number) {
      while (waiting.length < count) {
        const record = records.next().value
        if (!record) break
        waiting.push(record)
      }
      return waiting.slice(0, count)
    }
  }
}
