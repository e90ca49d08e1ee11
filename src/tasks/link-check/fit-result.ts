import { maxResultBytes } from '../../task-type.ts'
import type { FullResult, LinkResult, Totals } from './result.ts'

// What is left is for totals and warnings.
const maxLinksBytes = maxResultBytes - 16 * 1024

export interface LinkCheckResult {
  /** In the order of the input. */
  links: Partial<LinkResult>[]
  totals: Totals
  /** What was left out because it would not fit. */
  warnings: string[]
}

interface Shortening {
  link: (link: LinkResult) => Partial<LinkResult>
  says: string
}

const shortenings: Shortening[] = [
  {
    link: ({ finalUrl, ...link }) => (link.redirects > 0 ? { ...link, finalUrl } : link),
    says: 'links that were not redirected come without finalUrl'
  },
  {
    link: ({ url, finalUrl, ...link }) => (link.redirects > 0 ? { ...link, finalUrl } : link),
    says: 'links come in the order of the input without url, and those that were not redirected without finalUrl'
  },
  {
    link: ({ ok, status, redirects, bytes, milliseconds, error }) => {
      return { ok, status, redirects, bytes, milliseconds, ...(error && { error: { code: error.code } }) }
    },
    says: 'links come in the order of the input without url, finalUrl, contentType and the messages of errors'
  }
]

/** Makes a result fit, with a warning if that means to leave something out. The shortest form of all links fits. */
export function fitResult({ links, totals }: FullResult): LinkCheckResult {
  if (fits(links)) return { links, totals, warnings: [] }
  for (const { link, says } of shortenings) {
    const shortened = links.map(link)
    const warnings = [`The full result is larger than 1 MiB: ${says}`]
    if (fits(shortened)) return { links: shortened, totals, warnings }
  }
  throw new Error(`${links.length} links do not fit into a result`)
}

function fits(links: readonly object[]): boolean {
  let left = maxLinksBytes
  return links.every((link) => {
    left -= Buffer.byteLength(JSON.stringify(link)) + 1
    return left >= 0
  })
}
