import { readFile } from '../core/form-fields.js'
import { html, useRef, useState } from '../vendor/preact.js'
import { Icon } from './icons.js'
import { Prose } from './prose.js'
import { describeType } from './schema-fields.js'

/** @typedef {import('../core/form-fields.js').Field} Field */
/** @typedef {import('../core/form-fields.js').Chosen} Chosen */

/**
 * A label, what belongs below it, what is to be known about it, and what is wrong with it.
 * @param {{ id: string, label: string, required?: boolean, hint?: any, problem?: string | undefined, children: any }} props
 */
export function Labelled({ id, label, required = false, hint, problem, children }) {
  return html`<div class="field">
    <label for=${id}>${label}${required && html` <span class="note">required</span>`}</label>
    ${children}
    ${hint && html`<p class="note hint" id=${`${id}-hint`}>${hint}</p>`}
    ${problem && html`<p class="problem" id=${`${id}-problem`} role="alert">${problem}</p>`}
  </div>`
}

/** @param {string} id @param {{ hint?: any, problem?: string | undefined }} of */
export function described(id, { hint, problem }) {
  const ids = [hint && `${id}-hint`, problem && `${id}-problem`].filter(Boolean)
  return {
    'aria-describedby': ids.length > 0 ? ids.join(' ') : undefined,
    'aria-invalid': problem ? 'true' : undefined
  }
}

/**
 * @param {{ field: Field, problem: string | undefined, file: Chosen | undefined,
 *   onFile: (file: Chosen | undefined) => void, onProblem: (problem: string) => void }} props
 */
export function FormField({ field, problem, file, onFile, onProblem }) {
  const { name, kind, schema, required } = field
  const id = `field-${name}`
  const hint = html`<${Prose} text=${schema?.description} /> ${kind !== 'file' && kind !== 'flag' && html`<span>(${describeType(schema)})</span>`}`
  const common = { id, name: `input.${name}`, ...described(id, { hint, problem }) }
  const fallback = schema?.default
  const control = () => {
    switch (kind) {
      case 'file':
        return html`<${FileField} field=${field} common=${common} file=${file} onFile=${onFile} onProblem=${onProblem} />`
      case 'enum':
        return html`<select ...${common}>
          ${!required && html`<option value="">${fallback === undefined ? '' : `${fallback} unless chosen`}</option>`}
          ${schema.enum.map((/** @type {unknown} */ value, /** @type {number} */ index) => html`<option key=${index} value=${index}>${String(value)}</option>`)}
        </select>`
      case 'flag':
        return html`<input ...${common} type="checkbox" defaultChecked=${fallback === true} />`
      case 'number':
        return html`<input
          ...${common}
          type="number"
          min=${schema.minimum}
          max=${schema.maximum}
          step=${schema.type === 'integer' ? 1 : 'any'}
          placeholder=${fallback}
          required=${required && fallback === undefined}
        />`
      case 'list':
        return html`<textarea ...${common} rows="4" placeholder="one per line" required=${required}></textarea>`
      case 'json':
        return html`<textarea ...${common} rows="5" placeholder="JSON" required=${required} spellcheck="false"></textarea>`
      default:
        return html`<input ...${common} type="text" placeholder=${fallback} maxlength=${schema.maxLength} required=${required} />`
    }
  }
  return html`<${Labelled} id=${id} label=${name || 'Input'} required=${required && fallback === undefined} hint=${hint} problem=${problem}>${control()}<//>`
}

/**
 * @param {{ field: Field, common: any, file: Chosen | undefined,
 *   onFile: (file: Chosen | undefined) => void, onProblem: (problem: string) => void }} props
 */
function FileField({ field, common, file, onFile, onProblem }) {
  const picker = useRef(/** @type {HTMLInputElement | null} */ (null))
  const [isOver, setOver] = useState(false)
  const choose = async (/** @type {File | undefined} */ chosen) => {
    if (!chosen) return
    try {
      onFile(await readFile(chosen, field))
    } catch (error) {
      onProblem(error instanceof Error ? error.message : String(error))
    }
  }
  const hover = (/** @type {DragEvent} */ event) => {
    event.preventDefault()
    setOver(event.type === 'dragover')
  }
  const drop = (/** @type {DragEvent} */ event) => {
    hover(event)
    void choose(event.dataTransfer?.files[0])
  }
  const pick = () => void choose(picker.current?.files?.[0])
  const remove = () => {
    if (picker.current) picker.current.value = ''
    onFile(undefined)
  }
  return html`<div class="drop ${isOver ? 'over' : ''}" onDragOver=${hover} onDragLeave=${hover} onDrop=${drop}>
    <div class="drop-row">
      <${Icon} name="file" />
      ${
        file
          ? html`<span><strong>${file.name}</strong> <span class="note">${formatSize(file.size)}${file.text === undefined ? ', sent as bytes' : ''}</span></span>
              <button type="button" onClick=${remove}>Remove</button>`
          : html`<span class="note">Drop a file here, or</span>
              <button type="button" onClick=${() => picker.current?.click()}>Choose a file<span class="unseen"> for ${field.name}</span></button>`
      }
      <input type="file" class="unseen" tabindex="-1" aria-hidden="true" ref=${picker} onChange=${pick} />
    </div>
    ${
      file?.text !== undefined
        ? html`<pre class="preview">${file.text.slice(0, 600)}</pre>`
        : !file &&
          field.schema.contentEncoding !== 'base64' &&
          html`<textarea ...${common} rows="3" placeholder="or paste its text" spellcheck="false"></textarea>`
    }
  </div>`
}

/** @param {number} bytes */
function formatSize(bytes) {
  if (bytes < 1000) return `${bytes} bytes`
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}
