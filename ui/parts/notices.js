import { createStore, useStore } from '../core/store.js'
import { html } from '../vendor/preact.js'

const shownMs = 6_000

/** @typedef {{ id: number, text: string, problem: boolean }} Notice */
const notices = createStore(/** @type {Notice[]} */ ([]))
let count = 0

/**
 * Says what was done, or why it was not.
 * @param {string} text
 * @param {boolean} [problem] stays until it is dismissed
 */
export function notify(text, problem = false) {
  const notice = { id: count++, text, problem }
  notices.set([...notices.value, notice].slice(-4))
  if (!problem) setTimeout(() => dismiss(notice), shownMs)
}

/** @param {Notice} notice */
const dismiss = (notice) => notices.set(notices.value.filter(({ id }) => id !== notice.id))

export function Notices() {
  return html`<div class="notices" role="status">
    ${useStore(notices).map(
      (notice) => html`<div key=${notice.id} class=${notice.problem ? 'notice problem' : 'notice'}>
        <span>${notice.text}</span>
        <button class="quiet" aria-label="Dismiss" onClick=${() => dismiss(notice)}>×</button>
      </div>`
    )}
  </div>`
}
