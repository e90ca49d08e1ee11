/** Calls of the service; every address is relative to the page's, which may be served below a path. */
import { tokenOf, tokenRefused } from './tokens.js'

const base = new URL('../', document.baseURI)
const timeoutMs = 10_000

/** An answer that is an error, or no answer at all (status 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   */
  constructor(status, code, message) {
    super(message)
    this.status = status
    this.code = code
  }
}

/**
 * @typedef {object} CallOptions
 * @property {unknown} [body] sent as JSON
 * @property {Record<string, string | string[] | number | boolean | undefined>} [query]
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 */

/**
 * Resolves with the response if it is a good one.
 * @param {string} method
 * @param {string} path such as `api/tasks`
 * @param {CallOptions} [options]
 * @returns {Promise<Response>}
 * @throws {ApiError}
 */
export async function request(method, path, { body, query = {}, headers = {}, signal } = {}) {
  const isAdmin = path.startsWith('admin/')
  const token = tokenOf(isAdmin ? 'admin' : 'api')
  const response = await fetch(addressOf(path, query), {
    method,
    cache: 'no-store',
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal })
  }).catch((error) => {
    if (signal?.aborted) throw error
    throw new ApiError(0, 'UNREACHABLE', 'The service does not answer')
  })
  if (response.ok) return response
  if (response.status === 401 && !isAdmin) tokenRefused()
  throw await errorOf(response)
}

/**
 * Resolves with what the answer says, as JSON; undefined if it has no content.
 * @param {string} method
 * @param {string} path
 * @param {CallOptions} [options]
 * @returns {Promise<any>}
 */
export async function call(method, path, options = {}) {
  const deadline = AbortSignal.timeout(timeoutMs)
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline
  try {
    const response = await request(method, path, { ...options, signal })
    return response.status === 204 ? undefined : await response.json()
  } catch (error) {
    if (deadline.aborted) throw new ApiError(0, 'TIMEOUT', `No answer in ${timeoutMs / 1000} seconds`)
    throw error
  }
}

/**
 * @param {string} path
 * @param {NonNullable<CallOptions['query']>} query
 */
function addressOf(path, query) {
  const url = new URL(path, base)
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined && one !== '') url.searchParams.append(name, String(one))
  }
  return url
}

/** @param {Response} response */
async function errorOf(response) {
  const { code, message } = await response.json().catch(() => ({}))
  // What is not ours comes from something in between, such as a proxy without a pod behind it.
  if (typeof code !== 'string')
    return new ApiError(response.status, 'PROXY', `Something on the way answered ${response.status}`)
  return new ApiError(response.status, code, String(message))
}
