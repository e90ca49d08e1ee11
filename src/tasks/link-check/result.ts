import type { Findings } from './findings.ts'
import type { LinkErrorCode } from './link-error.ts'
import type { Link } from './links.ts'

/** What became of one entry of the input. */
export interface LinkResult {
  url: string
  /** Answered with a 2xx. */
  ok: boolean
  /** Of the last answer; null if there was none. */
  status: number | null
  /** The last address that was asked, or would have been; null if the entry is not a URL. */
  finalUrl: string | null
  redirects: number
  contentType: string | null
  /** As the server says, else counted up to 1 MiB; null if it is not known. */
  bytes: number | null
  milliseconds: number
  /** Why it was not asked, or not answered properly; a plain 404 speaks for itself. */
  error?: { code: LinkErrorCode; message?: string }
}

export interface Totals {
  urls: number
  ok: number
  failed: number
  redirected: number
  /** How many failed for which reason: an error's code or a status. */
  failures: Record<string, number>
}

/** Before it is made to fit. */
export interface FullResult {
  /** In the order of the input. */
  links: LinkResult[]
  totals: Totals
}

/** The result of all links; rejects nothing: each link must have been found out about. */
export function buildResult(
  urls: readonly string[],
  linkOf: readonly (Link | undefined)[],
  findings: Findings
): FullResult {
  const links = urls.map((url, entry) => describe(url, linkOf[entry], findings))
  return { links, totals: countTotals(links) }
}

function describe(url: string, link: Link | undefined, findings: Findings): LinkResult {
  if (!link) {
    const error = { code: 'URL_INVALID' as const, message: 'It is not a URL' }
    const nothing = { status: null, finalUrl: null, contentType: null, bytes: null }
    return { url, ok: false, ...nothing, redirects: 0, milliseconds: 0, error }
  }
  const finding = findings.get(link)
  if (!finding) throw new Error(`The link ${link.index} was not asked`)
  const { status, error } = finding
  return { url, ok: status !== null && status >= 200 && status < 300 && !error, ...finding }
}

function countTotals(links: readonly LinkResult[]): Totals {
  const totals: Totals = { urls: links.length, ok: 0, failed: 0, redirected: 0, failures: {} }
  for (const { ok, redirects, error, status } of links) {
    if (redirects > 0) totals.redirected++
    if (ok) {
      totals.ok++
      continue
    }
    totals.failed++
    const reason = error?.code ?? String(status)
    totals.failures[reason] = (totals.failures[reason] ?? 0) + 1
  }
  return totals
}
