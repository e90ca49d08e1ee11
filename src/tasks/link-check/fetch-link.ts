import type { Guard } from './connector.ts'
import { LinkError, type LinkErrorCode, toLinkError } from './link-error.ts'
import { redirectTarget } from './redirect.ts'
import { type LinkResponse, sendRequest } from './send-request.ts'
import type { HostTurns } from './turns.ts'
import { credentialsFor, hostOf, withoutCredentials } from './url-parts.ts'
import { withinTime } from './within-time.ts'

/** What became of one link. */
export interface Finding {
  /** Of the last request; null if it was not answered. */
  status: number | null
  /** The address of the last request, made or refused, without credentials. */
  finalUrl: string
  redirects: number
  contentType: string | null
  /** As the server says, else counted up to 1 MiB; null if it is not known. */
  bytes: number | null
  /** What its requests took together. */
  milliseconds: number
  error?: { code: LinkErrorCode; message: string }
}

export interface FetchOptions {
  guard: Guard
  /** Keeps requests to the same host apart. */
  turns: HostTurns
  /** For all requests of a link together. */
  timeoutMs: number
  /** Stops at once what is under way. */
  signal: AbortSignal
}

const maxRedirects = 10

// What a server may answer that knows the address, but not the method.
const doubtful = new Set([400, 403, 404, 405, 406, 500, 501])

/** Asks for a link and follows its redirects. Rejects only when the signal is aborted. */
export async function fetchLink(link: URL, options: FetchOptions): Promise<Finding> {
  const { guard, turns, timeoutMs, signal } = options
  const asked = new Set<string>()
  let url = link
  let answer: LinkResponse | undefined
  let spentMs = 0

  // Waiting for a host's turn is not the link's fault, so only requests are timed.
  const request = (method: 'HEAD' | 'GET') =>
    turns.take(hostOf(url), async () => {
      answer = undefined
      const startedAt = performance.now()
      const linkRequest = { method, url, credentials: credentialsFor(url, link) }
      try {
        answer = await withinTime(timeoutMs - spentMs, signal, (limit) =>
          sendRequest(linkRequest, guard, limit)
        )
      } finally {
        spentMs += performance.now() - startedAt
      }
      if (answer.bodyError) throw answer.bodyError
      return answer
    })

  /** The rest of the way, as far as it goes. */
  const follow = async () => {
    for (;;) {
      asked.add(url.href)
      let last = await request('HEAD')
      if (needsGet(last)) last = await request('GET')
      const target = redirectTarget(last, url)
      if (!target) return
      if (asked.has(target.href))
        throw new LinkError('REDIRECT_LOOP', `It redirects back to ${withoutCredentials(target)}`)
      if (asked.size > maxRedirects)
        throw new LinkError('TOO_MANY_REDIRECTS', `It redirects more than ${maxRedirects} times`)
      url = target
    }
  }

  const error = await follow().catch(toLinkError)
  signal.throwIfAborted()
  return {
    status: answer?.status ?? null,
    finalUrl: withoutCredentials(url),
    redirects: asked.size - 1,
    contentType: answer?.contentType ?? null,
    bytes: answer?.bytes ?? null,
    milliseconds: Math.round(spentMs),
    ...(error && { error: { code: error.code, message: error.message } })
  }
}

/** Whether a HEAD may not have been understood, or came without a size. */
function needsGet({ status, bytes }: LinkResponse): boolean {
  return doubtful.has(status) || (status >= 200 && status < 300 && bytes === null)
}
