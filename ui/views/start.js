import { ApiError, call } from '../core/api.js'
import { FieldError, fieldsOf, inputOf, problemsByField } from '../core/form-fields.js'
import { newKey } from '../core/key.js'
import { go, linkTo, replaceRoute } from '../core/route.js'
import { status } from '../core/status.js'
import { useStore } from '../core/store.js'
import { useTaskTypes } from '../core/task-types.js'
import { described, FormField, Labelled } from '../parts/form-field.js'
import { notify } from '../parts/notices.js'
import { Prose } from '../parts/prose.js'
import { shortId } from '../parts/task-parts.js'
import { html, useLayoutEffect, useMemo, useRef, useState } from '../vendor/preact.js'

/** @typedef {import('../core/form-fields.js').Chosen} Chosen */

/** @param {{ route: import('../core/route.js').Route }} props */
export function StartView({ route: { query } }) {
  const types = useTaskTypes()
  const type = types?.find((one) => one.type === query.get('type')) ?? types?.[0]
  const choose = (/** @type {Event} */ event) =>
    replaceRoute(linkTo('start', { type: /** @type {HTMLSelectElement} */ (event.target).value }))
  return html`<h1 tabindex="-1">Start a task</h1>
    ${
      types && type
        ? html`<div class="start">
            <div class="panel">
              <${Labelled} id="type" label="Task type" hint=${html`<${Prose} text=${type.description} />`}>
                <select id="type" value=${type.type} onChange=${choose} aria-describedby="type-hint">
                  ${types.map((one) => html`<option key=${one.type} value=${one.type}>${one.type}</option>`)}
                </select>
              <//>
            </div>
            <${StartForm} key=${type.type} type=${type} />
          </div>`
        : html`<p class="note">Loading…</p>`
    }`
}

/** @param {{ type: import('../core/task-types.js').TaskType }} props */
function StartForm({ type: { type, inputSchema } }) {
  const fields = useMemo(() => fieldsOf(inputSchema), [inputSchema])
  const form = useRef(/** @type {HTMLFormElement | null} */ (null))
  const [files, setFiles] = useState(/** @type {ReadonlyMap<string, Chosen>} */ (new Map()))
  const [problems, setProblems] = useState(/** @type {ReadonlyMap<string | undefined, string>} */ (new Map()))
  const [busy, setBusy] = useState(false)
  // The same form sent twice, because the answer got lost, is one task.
  const sent = useRef({ body: '', key: '' })
  const draining = useStore(status)?.draining === true

  useLayoutEffect(() => {
    const first = form.current?.querySelector('[aria-invalid="true"]')
    if (first instanceof HTMLElement) first.focus()
  }, [problems])

  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    const data = new FormData(form.current ?? undefined)
    const textOf = (/** @type {string} */ name) => String(data.get(name) ?? '')
    setBusy(true)
    setProblems(new Map())
    try {
      const body = {
        type,
        input: inputOf(fields, (name) => textOf(`input.${name}`), files),
        ...optionsOf(textOf)
      }
      const text = JSON.stringify(body)
      if (sent.current.body !== text) sent.current = { body: text, key: newKey() }
      const headers = { 'idempotency-key': sent.current.key }
      const { taskId } = await call('POST', 'api/tasks', { body, headers })
      notify(`Started ${type} ${shortId(taskId)}`)
      go(linkTo(`task/${taskId}`))
    } catch (error) {
      if (error instanceof FieldError) setProblems(new Map([[error.field, error.message]]))
      else if (error instanceof ApiError && error.code === 'FST_ERR_VALIDATION')
        setProblems(problemsByField(error.message, [...fields, ...optionFields]))
      else setProblems(new Map([[undefined, error instanceof Error ? error.message : String(error)]]))
    }
    setBusy(false)
  }
  const setFile = (/** @type {string} */ name, /** @type {Chosen | undefined} */ file) => {
    const next = new Map(files)
    if (file) next.set(name, file)
    else next.delete(name)
    setFiles(next)
    setProblems(new Map([...problems].filter(([field]) => field !== name)))
  }

  return html`<form class="panel" ref=${form} onSubmit=${submit}>
    ${fields.map(
      (field) => html`<${FormField}
        key=${field.name}
        field=${field}
        problem=${problems.get(field.name)}
        file=${files.get(field.name)}
        onFile=${(/** @type {Chosen | undefined} */ file) => setFile(field.name, file)}
        onProblem=${(/** @type {string} */ problem) => setProblems(new Map([[field.name, problem]]))}
      />`
    )}
    <${Options} problems=${problems} />
    ${problems.has(undefined) && html`<p class="problem" role="alert">${problems.get(undefined)}</p>`}
    <div class="buttons">
      ${draining && html`<p class="note">The service drains and takes no new tasks.</p>`}
      <button class="primary" disabled=${busy}>${busy ? 'Starting…' : 'Start'}</button>
    </div>
  </form>`
}

/** Those of every type; they have no schema of their own here. @type {import('../core/form-fields.js').Field[]} */
const optionFields = ['priority', 'labels', 'delaySeconds', 'runAt'].map((name) => ({
  name,
  kind: 'text',
  schema: {},
  required: false
}))

/** @param {{ problems: ReadonlyMap<string | undefined, string> }} props */
function Options({ problems }) {
  const hints = {
    priority: '0 to 10, higher runs first',
    labels: 'one per line, key: value',
    runAt: 'in your own time zone; at once if empty'
  }
  const hasProblem = optionFields.some(({ name }) => problems.has(name))
  return html`<details class="options" open=${hasProblem || undefined}>
    <summary>Priority, labels, time</summary>
    <div class="option-fields">
      <${Labelled} id="priority" label="Priority" hint=${hints.priority} problem=${problems.get('priority')}>
        <input id="priority" name="priority" type="number" min="0" max="10" step="1" placeholder="0" ...${described('priority', { hint: hints.priority, problem: problems.get('priority') })} />
      <//>
      <${Labelled} id="runAt" label="Run at" hint=${hints.runAt} problem=${problems.get('runAt')}>
        <input id="runAt" name="runAt" type="datetime-local" step="1" ...${described('runAt', { hint: hints.runAt, problem: problems.get('runAt') })} />
      <//>
      <${Labelled} id="labels" label="Labels" hint=${hints.labels} problem=${problems.get('labels')}>
        <textarea id="labels" name="labels" rows="2" spellcheck="false" ...${described('labels', { hint: hints.labels, problem: problems.get('labels') })}></textarea>
      <//>
    </div>
  </details>`
}

/** @param {(name: string) => string} textOf @throws {FieldError} */
function optionsOf(textOf) {
  const lines = textOf('labels')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
  const labels = lines.map((line) => {
    const colon = line.indexOf(':')
    if (colon < 1) throw new FieldError('labels', `${line} has no colon between key and value`)
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
  })
  const [priority, runAt] = [textOf('priority'), textOf('runAt')]
  return {
    ...(priority !== '' && { priority: Number(priority) }),
    ...(runAt !== '' && { runAt: new Date(runAt).toISOString() }),
    ...(labels.length > 0 && { labels: Object.fromEntries(labels) })
  }
}
