import { createStore, useStore } from '../core/store.js'
import { html, useEffect, useRef, useState } from '../vendor/preact.js'
import { notify } from './notices.js'

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {any} body what to read before the answer
 * @property {string} action the word on the button
 * @property {boolean} [danger]
 * @property {(form: HTMLFormElement) => Promise<string | undefined>} run what is done, and what to say of it then
 */

const question = createStore(/** @type {Question | undefined} */ (undefined))

/**
 * Asks before something is done that cannot be undone. If it fails the dialog stays, and says why.
 * @param {Question} asked
 */
export function ask(asked) {
  question.set(asked)
}

export function QuestionDialog() {
  const asked = useStore(question)
  return asked && html`<${OpenQuestion} asked=${asked} />`
}

/** @param {{ asked: Question }} props */
function OpenQuestion({ asked: { title, body, action, danger, run } }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null))
  const opener = useRef(document.activeElement)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState('')
  useEffect(() => {
    dialog.current?.showModal()
    return () => {
      // The browser gives the focus back only to what is still there.
      if (opener.current instanceof HTMLElement && !opener.current.isConnected)
        document.querySelector('h1')?.focus()
    }
  }, [])
  const close = () => {
    dialog.current?.close()
    question.set(undefined)
  }
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    setBusy(true)
    setError('')
    try {
      const done = await run(/** @type {HTMLFormElement} */ (event.target))
      close()
      if (done) notify(done)
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure))
    }
    setBusy(false)
  }
  return html`<dialog ref=${dialog} aria-labelledby="question" onClose=${close}>
    <form onSubmit=${submit}>
      <h2 id="question">${title}</h2>
      ${body}
      ${error && html`<p class="problem" role="alert">${error}</p>`}
      <div class="buttons">
        <button type="button" onClick=${close}>Go back</button>
        <button class=${danger ? 'danger' : 'primary'} disabled=${busy}>${busy ? 'Wait…' : action}</button>
      </div>
    </form>
  </dialog>`
}
