import { LinkError } from './link-error.ts'
import type { LinkResponse } from './send-request.ts'

const statuses = new Set([301, 302, 303, 307, 308])

export function isRedirect(status: number): boolean {
  return statuses.has(status)
}

/** Where an answer redirects to, without fragment; undefined if it does not. @throws REDIRECT_INVALID */
export function redirectTarget({ status, location }: LinkResponse, base: URL): URL | undefined {
  if (!isRedirect(status)) return undefined
  if (location === null) throw new LinkError('REDIRECT_INVALID', 'It redirects, but does not say where to')
  // Headers come as Latin-1; like browsers, this takes what is not ASCII in an address for UTF-8.
  const address = Buffer.from(location, 'latin1').toString()
  if (!URL.canParse(address, base.href))
    throw new LinkError('REDIRECT_INVALID', 'It redirects to what is no address')
  const target = new URL(address, base)
  if (target.protocol !== 'http:' && target.protocol !== 'https:')
    throw new LinkError(
      'REDIRECT_INVALID',
      `It redirects to ${target.protocol}, which is neither http nor https`
    )
  target.hash = ''
  return target
}
