/** Where the reader is: the address bar's hash, so that a link to any view can be sent. */
import { createStore, useStore } from './store.js'

/** @typedef {{ view: string, id: string | undefined, query: URLSearchParams, hash: string }} Route */

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** @returns {Route} */
function read() {
  const hash = location.hash.replace(/^#\/?/, '')
  const [path = '', query = ''] = hash.split('?')
  const [view = '', id] = path.split('/').map(decode)
  return { view: view || 'tasks', id, query: new URLSearchParams(query), hash }
}

const route = createStore(read())
addEventListener('hashchange', () => route.set(read()))

export const useRoute = () => useStore(route)

/**
 * The address of a view.
 * @param {string} path such as `tasks` or `task/0192…`
 * @param {Record<string, string | readonly string[] | undefined>} [query]
 */
export function linkTo(path, query = {}) {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const one of typeof value === 'string' ? [value] : (value ?? [])) if (one) params.append(name, one)
  }
  const text = String(params)
  return `#/${path}${text && `?${text}`}`
}

/** @param {string} link */
export function go(link) {
  location.hash = link
}

/**
 * The same for a filter: no step back for each letter that is typed.
 * @param {string} link
 */
export function replaceRoute(link) {
  history.replaceState(null, '', link)
  route.set(read())
}
