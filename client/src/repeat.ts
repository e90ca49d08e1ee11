/** The service said no, or nothing. Programs look at `code`: the service's docs/errors.md lists them. */
export class LastcallError extends Error {
  override readonly name = 'LastcallError'
  /** The service's own, or `NO_ANSWER`, or `UNEXPECTED_ANSWER` if something else is at its address. */
  readonly code: string
  /** Of the answer; 0 if there was none. */
  readonly status: number
  /** What the service's log calls the request. */
  readonly requestId: string | undefined
  readonly retryAfterSeconds: number

  constructor(code: string, message: string, answer?: Response, cause?: unknown) {
    super(message, { cause })
    this.code = code
    this.status = answer?.status ?? 0
    this.requestId = answer?.headers.get('x-request-id') ?? undefined
    this.retryAfterSeconds = Number(answer?.headers.get('retry-after')) || 0
  }
}

// A broken connection, a full queue, a drain, a rollout, a proxy that found nobody.
const temporary = [0, 429, 502, 503, 504]

/** Repeats an attempt until it succeeds, fails for good, or has failed for too long. */
export async function repeat<T>(attempt: () => Promise<T>, patienceMs: number, signal?: AbortSignal) {
  const since = performance.now()
  for (let backoffMs = 250; ; backoffMs = Math.min(2 * backoffMs, 5000)) {
    try {
      return await attempt()
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof LastcallError && temporary.includes(error.status))) throw error
      // Not sooner than asked for, and not all clients at the same moment.
      const waitMs = error.retryAfterSeconds * 1000 + backoffMs * (0.5 + Math.random() / 2)
      if (performance.now() + waitMs - since > patienceMs) throw error
      await sleep(waitMs, signal)
    }
  }
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      if (signal?.aborted) reject(signal.reason)
      else resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end)
  })
}

/** Sends with a token or a ticket that is asked for when it is first needed, and again when the service refuses it. */
export function renewable(value: string | (() => string | Promise<string>)) {
  const get = async () => (typeof value === 'string' ? value : value())
  let current: Promise<string> | undefined
  return async <T>(send: (value: string) => Promise<T>): Promise<T> => {
    current ??= get()
    const used = current
    try {
      return await send(await used)
    } catch (error) {
      if (error instanceof LastcallError && error.status !== 401) throw error
      // Unless another call has renewed it meanwhile.
      if (current === used) current = get()
      return send(await current)
    }
  }
}
