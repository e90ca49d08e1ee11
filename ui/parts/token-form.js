import { useStore } from '../core/store.js'
import { access, setToken } from '../core/tokens.js'
import { html } from '../vendor/preact.js'

export function TokenForm() {
  const isWrong = useStore(access) === 'wrong'
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    const data = new FormData(/** @type {HTMLFormElement} */ (event.target))
    setToken('api', String(data.get('token')).trim())
  }
  return html`<form class="panel token" onSubmit=${submit}>
    <h1 tabindex="-1">This service asks for a token</h1>
    <p>One of its <code>API_TOKENS</code>, without the name before it. It is kept for this tab only.</p>
    <label for="token">Token</label>
    <input
      id="token"
      name="token"
      type="password"
      autocomplete="off"
      required
      aria-invalid=${isWrong ? 'true' : undefined}
      aria-describedby=${isWrong ? 'token-problem' : undefined}
    />
    ${isWrong && html`<p class="problem" id="token-problem" role="alert">The service does not know this token.</p>`}
    <div class="buttons"><button class="primary">Continue</button></div>
  </form>`
}
