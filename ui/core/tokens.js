/** The tokens that the reader gave, for as long as the tab is open. */
import { createStore } from './store.js'

/** @typedef {'api' | 'admin'} TokenName */

/** @param {TokenName} name */
const keyOf = (name) => `lastcall.${name}Token`

/** Whether the API takes what it gets; `wrong` means that a token was given and refused. */
export const access = createStore(/** @type {'open' | 'missing' | 'wrong'} */ ('open'))

/** @param {TokenName} name */
export function tokenOf(name) {
  return sessionStorage.getItem(keyOf(name)) ?? undefined
}

/**
 * @param {TokenName} name
 * @param {string | undefined} token
 */
export function setToken(name, token) {
  if (token) sessionStorage.setItem(keyOf(name), token)
  else sessionStorage.removeItem(keyOf(name))
  if (name === 'api') access.set('open')
}

/** The API refused a request for its token. */
export function tokenRefused() {
  access.set(tokenOf('api') === undefined ? 'missing' : 'wrong')
}
