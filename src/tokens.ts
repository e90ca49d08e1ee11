import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { StartError } from './errors.ts'

/** One entry of API_TOKENS. */
export interface ApiToken {
  /** What the log calls the client. */
  name?: string
  token: string
}

/** The entries of API_TOKENS, each `token` or `name:token`. StartError if there is none or one is incomplete. */
export function parseApiTokens(text: string): ApiToken[] {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  if (entries.length === 0) throw new StartError('API_TOKENS is set but holds no token')
  return entries.map((entry, index) => {
    const colon = entry.indexOf(':')
    if (colon === -1) return { token: entry }
    const [name, token] = [entry.slice(0, colon).trim(), entry.slice(colon + 1).trim()]
    // The entry itself is not repeated: it may be half a secret.
    if (name === '' || token === '')
      throw new StartError(`API_TOKENS: entry ${index + 1} must be a token or name:token`)
    return { name, token }
  })
}

/** Finds the entry that a candidate equals; how long that takes says nothing about any token. */
export function tokenFinder<T extends { token: string }>(entries: readonly T[]) {
  // Digests under a key of this process are equally long, and nothing can be learnt from how far two of them agree.
  const key = randomBytes(32)
  const digest = (token: string) => createHmac('sha256', key).update(token).digest()
  const known = entries.map((entry) => ({ entry, digest: digest(entry.token) }))
  return (candidate: string): T | undefined => {
    const wanted = digest(candidate)
    let found: T | undefined
    for (const { entry, digest } of known) if (timingSafeEqual(digest, wanted)) found = entry
    return found
  }
}
