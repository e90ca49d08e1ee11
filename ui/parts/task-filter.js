import { useTaskTypes } from '../core/task-types.js'
import { html, useState } from '../vendor/preact.js'

/** @typedef {import('../views/tasks.js').Filter} Filter */

const statuses = [
  ['', 'All'],
  ['failed', 'Failed'],
  ['running', 'Running'],
  ['pending', 'Waiting'],
  ['completed', 'Completed'],
  ['cancelled', 'Cancelled']
]
const maxLabels = 4
const labelForm = /^[a-z0-9][a-z0-9._-]{0,62}:.{1,128}$/s

/** @param {{ filter: Filter, onChange: (filter: Filter) => void }} props */
export function TaskFilter({ filter, onChange }) {
  const types = useTaskTypes() ?? []
  const [problem, setProblem] = useState('')
  const names = [...new Set([...types.map(({ type }) => type), ...(filter.type ? [filter.type] : [])])]
  const addLabel = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    const form = /** @type {HTMLFormElement} */ (event.target)
    const text = String(new FormData(form).get('label')).trim()
    if (!labelForm.test(text)) return setProblem('A label is key:value, its key in lower case')
    setProblem('')
    form.reset()
    if (!filter.label.includes(text)) onChange({ ...filter, label: [...filter.label, text] })
  }
  return html`<div class="filter" role="search" aria-label="Filter">
    <div class="chips" role="group" aria-label="State">
      ${statuses.map(
        ([name = '', word]) => html`<button
          key=${name}
          aria-pressed=${String((filter.status ?? '') === name)}
          onClick=${() => onChange({ ...filter, status: name || undefined })}
        >${word}</button>`
      )}
    </div>
    <select
      aria-label="Task type"
      value=${filter.type ?? ''}
      onChange=${(/** @type {Event} */ event) =>
        onChange({ ...filter, type: /** @type {HTMLSelectElement} */ (event.target).value || undefined })}
    >
      <option value="">Every type</option>
      ${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
    </select>
    ${filter.label.map(
      (label) => html`<button
        key=${label}
        class="label"
        title="Without this label"
        aria-label=${`Remove the label ${label}`}
        onClick=${() => onChange({ ...filter, label: filter.label.filter((other) => other !== label) })}
      >${label} ×</button>`
    )}
    ${
      filter.label.length < maxLabels &&
      html`<form onSubmit=${addLabel}>
      <input
        name="label"
        placeholder="label key:value"
        aria-label="Label, key:value"
        aria-invalid=${problem ? 'true' : undefined}
        aria-describedby=${problem ? 'label-problem' : undefined}
        autocomplete="off"
      />
      <button>Add</button>
    </form>`
    }
    ${problem && html`<p class="problem" id="label-problem" role="alert">${problem}</p>`}
  </div>`
}
