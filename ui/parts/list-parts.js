import { useStore } from '../core/store.js'
import { html } from '../vendor/preact.js'

/** @param {{ error: Error }} props */
export function ListProblem({ error }) {
  return html`<p class="problem" role="alert">The list could not be read again: ${error.message}</p>`
}

/** @param {{ list: import('../core/task-list.js').TaskList }} props */
export function ListFooter({ list }) {
  const { tasks, nextCursor, loading, newer } = useStore(list.state)
  return html`<div class="list-footer">
    ${
      newer > 0 &&
      html`<button class="newer" onClick=${() => void list.reload()}>${newer.toLocaleString()} newer: back to the top</button>`
    }
    ${
      nextCursor !== undefined &&
      html`<button onClick=${() => void list.more()} disabled=${loading}>${loading ? 'Reading…' : 'Load older tasks'}</button>`
    }
    ${nextCursor === undefined && tasks.length > 20 && html`<p class="note">No older tasks.</p>`}
  </div>`
}
