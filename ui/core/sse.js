/** Server-sent events over fetch: an EventSource cannot send the header that the token is in. */

// Heartbeats come every 15 seconds by default. A connection whose other end is gone without a word is given up so late.
const silentMs = 60_000

/** @typedef {{ event: string, id: string | undefined, data: any }} ServerEvent */

/**
 * The events of a stream, as many at once as came at once; the wait that it asks for before a reconnect goes to `onRetry`.
 * @param {ReadableStream<Uint8Array>} body
 * @param {(ms: number) => void} onRetry
 * @returns {AsyncGenerator<ServerEvent[]>}
 */
export async function* readEvents(body, onRetry) {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  try {
    for (;;) {
      // cancel() ends the read that is under way.
      const late = setTimeout(() => void reader.cancel().catch(() => {}), silentMs)
      const { done, value } = await reader.read().finally(() => clearTimeout(late))
      if (done) return
      text += decoder.decode(value, { stream: true })
      const end = text.lastIndexOf('\n\n')
      if (end === -1) continue
      const events = text
        .slice(0, end)
        .split('\n\n')
        .flatMap((block) => parse(block, onRetry))
      text = text.slice(end + 2)
      yield events
    }
  } finally {
    void reader.cancel().catch(() => {})
  }
}

/**
 * @param {string} block
 * @param {(ms: number) => void} onRetry
 * @returns {ServerEvent[]} none for a comment or a `retry:`
 */
function parse(block, onRetry) {
  let [event, data, id] = ['message', '', /** @type {string | undefined} */ (undefined)]
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':')
    const value = line.slice(colon + 1).trimStart()
    const field = line.slice(0, colon)
    if (field === 'event') event = value
    else if (field === 'id') id = value
    else if (field === 'data') data += value
    else if (field === 'retry') onRetry(Number(value))
  }
  return data === '' ? [] : [{ event, id, data: JSON.parse(data) }]
}
