import { Client, type Dispatcher } from 'undici'
import { type Guard, guardedConnector } from './connector.ts'
import { isRedirect } from './redirect.ts'

/** The response to one request. */
export interface LinkResponse {
  status: number
  contentType: string | null
  /** From Content-Length, else counted up to the limit of a GET; null for a HEAD without it. */
  bytes: number | null
  /** As the server wrote it. */
  location: string | null
  /** What went wrong after the headers had arrived. */
  bodyError?: unknown
}

export interface LinkRequest {
  method: 'HEAD' | 'GET'
  url: URL
  /** `user:password`, or empty. */
  credentials: string
}

type Response = Dispatcher.ResponseData

/** How much of a body without Content-Length is read. */
export const maxBodyBytes = 1024 * 1024

/** Sends one request on a connection of its own, which is closed when this resolves or rejects. Aborting rejects at once. */
export async function sendRequest(
  request: LinkRequest,
  guard: Guard,
  signal: AbortSignal
): Promise<LinkResponse> {
  const { method, url, credentials } = request
  const client = new Client(url.origin, {
    connect: guardedConnector(guard, signal),
    // Time is limited by the signal alone.
    headersTimeout: 0,
    bodyTimeout: 0
  })
  try {
    const response = await client.request({
      method,
      path: url.pathname + url.search,
      headers: {
        'user-agent': 'lastcall-link-check',
        accept: '*/*',
        ...(credentials !== '' && { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` })
      },
      signal,
      reset: true
    })
    // A body that is not read is cut off below; that is no error.
    response.body.on('error', () => {})
    const answer: LinkResponse = {
      status: response.statusCode,
      contentType: header(response, 'content-type'),
      bytes: contentLength(response),
      location: header(response, 'location')
    }
    const counts = method === 'GET' && answer.bytes === null && !isRedirect(answer.status)
    return counts ? { ...answer, ...(await countBytes(response.body)) } : answer
  } finally {
    await client.destroy()
  }
}

async function countBytes(body: Response['body']): Promise<{ bytes: number; bodyError?: unknown }> {
  let bytes = 0
  try {
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes >= maxBodyBytes) return { bytes: maxBodyBytes }
    }
    return { bytes }
  } catch (bodyError) {
    return { bytes, bodyError }
  }
}

function contentLength(response: Response): number | null {
  if (response.statusCode === 204) return 0
  const length = header(response, 'content-length')
  return length !== null && /^\d+$/.test(length) ? Number(length) : null
}

/** The first of a header's values. */
function header({ headers }: Response, name: string): string | null {
  const values = headers[name]
  return (Array.isArray(values) ? values[0] : values) ?? null
}
