import { errors } from 'undici'

/** Why a link could not be asked, or did not answer properly. */
export type LinkErrorCode =
  | 'URL_INVALID'
  | 'ADDRESS_REFUSED'
  | 'DNS_NOT_FOUND'
  | 'DNS_FAILED'
  | 'CONNECTION_REFUSED'
  | 'CONNECTION_LOST'
  | 'HOST_UNREACHABLE'
  | 'TLS_INVALID'
  | 'HTTP_INVALID'
  | 'TIMEOUT'
  | 'REDIRECT_INVALID'
  | 'REDIRECT_LOOP'
  | 'TOO_MANY_REDIRECTS'
  | 'REQUEST_FAILED'

export class LinkError extends Error {
  readonly code: LinkErrorCode

  constructor(code: LinkErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

const codes: Record<string, LinkErrorCode> = {
  ENOTFOUND: 'DNS_NOT_FOUND',
  ENODATA: 'DNS_NOT_FOUND',
  ECONNREFUSED: 'CONNECTION_REFUSED',
  ECONNRESET: 'CONNECTION_LOST',
  EPIPE: 'CONNECTION_LOST',
  UND_ERR_SOCKET: 'CONNECTION_LOST',
  EHOSTUNREACH: 'HOST_UNREACHABLE',
  ENETUNREACH: 'HOST_UNREACHABLE',
  EADDRNOTAVAIL: 'HOST_UNREACHABLE',
  ETIMEDOUT: 'TIMEOUT',
  UND_ERR_HEADERS_OVERFLOW: 'HTTP_INVALID',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'HTTP_INVALID'
}

/** What an error of DNS, a socket or undici says about the link. */
export function toLinkError(error: unknown): LinkError {
  if (error instanceof LinkError) return error
  // One for several addresses has its message in its parts.
  const cause = error instanceof AggregateError ? (error.errors[0] ?? error) : error
  const { code, message } = cause as NodeJS.ErrnoException
  if (cause instanceof errors.HTTPParserError) return new LinkError('HTTP_INVALID', message)
  return new LinkError(codeOf(code ?? ''), message)
}

function codeOf(code: string): LinkErrorCode {
  return codes[code] ?? (code.startsWith('EAI_') ? 'DNS_FAILED' : 'REQUEST_FAILED')
}
