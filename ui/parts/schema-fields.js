import { html } from '../vendor/preact.js'
import { Prose } from './prose.js'

/** The fields of an object's JSON Schema, as a table to read. @param {{ schema: any }} props */
export function SchemaFields({ schema }) {
  const fields = Object.entries(schema?.properties ?? {})
  if (fields.length === 0)
    return html`<p class="note"><${Prose} text=${schema?.description ?? describeType(schema)} /></p>`
  const required = new Set(schema.required ?? [])
  return html`<div class="data"><div class="scroll" tabindex="0" role="group" aria-label="Fields">
    <table>
      <thead><tr><th scope="col">field</th><th scope="col">kind</th><th scope="col">meaning</th></tr></thead>
      <tbody>
        ${fields.map(
          ([name, field]) => html`<tr key=${name}>
            <td><code>${name}</code>${required.has(name) && html` <span class="note">required</span>`}</td>
            <td>${describeType(field)}</td>
            <td><${Prose} text=${field.description} /></td>
          </tr>`
        )}
      </tbody>
    </table>
  </div></div>`
}

/** @param {any} schema */
export function describeType(schema) {
  if (schema?.enum) return schema.enum.map(String).join(', ')
  if (schema?.const !== undefined) return String(schema.const)
  const { type, minimum, maximum, items, contentMediaType } = schema ?? {}
  if (!type) return 'anything'
  const range =
    minimum !== undefined && maximum !== undefined
      ? `, ${minimum.toLocaleString()} to ${maximum.toLocaleString()}`
      : minimum !== undefined
        ? `, ${minimum.toLocaleString()} or more`
        : maximum !== undefined
          ? `, up to ${maximum.toLocaleString()}`
          : ''
  const fallback = schema.default !== undefined ? `; ${JSON.stringify(schema.default)} unless given` : ''
  if (type === 'array') return `list of ${items?.type ?? 'anything'}${fallback}`
  if (contentMediaType) return `file, ${contentMediaType}`
  return `${[type].flat().join(' or ')}${range}${fallback}`
}
