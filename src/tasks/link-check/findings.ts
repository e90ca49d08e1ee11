import type { Finding } from './fetch-link.ts'
import type { LinkErrorCode } from './link-error.ts'
import type { Link } from './links.ts'
import { withoutCredentials } from './url-parts.ts'

/** A finding in a checkpoint, which is written after every link: a tuple, without what is null at its end. */
export type Row = [
  index: number,
  status: number | null,
  redirects: number,
  bytes: number | null,
  milliseconds: number,
  code?: LinkErrorCode | null,
  contentType?: string | null,
  finalUrl?: string | null,
  message?: string | null
]

export interface State {
  rows: Row[]
}

const maxText = 200
// What a result can hold. When the rows are larger, the result leaves their texts out, and so may further rows.
const maxTextBytes = 1024 * 1024

/** What has been found so far, in the form in which it is kept. */
export class Findings {
  readonly #rows = new Map<number, Row>()
  #bytes = 0

  constructor(restored: State | undefined) {
    for (const row of restored?.rows ?? []) this.#keep(row)
  }

  get state(): State {
    return { rows: [...this.#rows.values()] }
  }

  has({ index }: Link): boolean {
    return this.#rows.has(index)
  }

  add({ index }: Link, finding: Finding): void {
    const { status, redirects, bytes, milliseconds, error, contentType, finalUrl } = finding
    const row: Row = [index, status, redirects, bytes, milliseconds, error?.code ?? null]
    if (this.#bytes <= maxTextBytes) {
      row.push(shorten(contentType), redirects > 0 ? finalUrl : null, shorten(error?.message))
    }
    while (row.at(-1) === null) row.pop()
    this.#keep(row)
  }

  get({ index, url }: Link): Finding | undefined {
    const row = this.#rows.get(index)
    if (!row) return undefined
    const [, status, redirects, bytes, milliseconds, code, contentType = null, finalUrl, message] = row
    const finding = {
      status,
      finalUrl: finalUrl ?? withoutCredentials(url),
      redirects,
      contentType,
      bytes,
      milliseconds
    }
    return code ? { ...finding, error: { code, message: message ?? '' } } : finding
  }

  #keep(row: Row): void {
    this.#rows.set(row[0], row)
    this.#bytes += JSON.stringify(row).length
  }
}

/** What a server wrote, in printable ASCII. */
function shorten(text: string | null | undefined): string | null {
  return text?.slice(0, maxText).replace(/[^ -~]/g, '?') ?? null
}
