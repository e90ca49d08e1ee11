/** JSON to read: lists of alike objects as tables, the rest as a tree that opens where the reader wants it to. */
import { html, useState } from '../vendor/preact.js'
import { Icon } from './icons.js'
import { notify } from './notices.js'

const mostColumns = 14
const rowsAtOnce = 50
const longText = 400
const openUpTo = 12

/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The columns of a list whose objects are alike; undefined if they are not. @param {unknown} value */
export function columnsOf(value) {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isObject)) return
  /** @type {Map<string, number>} */
  const counts = new Map()
  for (const row of value) for (const key of Object.keys(row)) counts.set(key, (counts.get(key) ?? 0) + 1)
  const columns = [...counts.keys()]
  const filled = [...counts.values()].reduce((sum, count) => sum + count, 0) / (columns.length * value.length)
  return columns.length <= mostColumns && filled >= 0.4 ? columns : undefined
}

/** @param {{ value: unknown, top?: boolean }} props `top` gives each member a panel of its own */
export function Value({ value, top = false }) {
  if (top && isObject(value)) return html`<${Members} value=${value} />`
  if (top) return html`<${Listed} value=${value} />`
  const columns = columnsOf(value)
  if (columns) return html`<${DataTable} rows=${value} columns=${columns} />`
  return html`<div class="tree"><${Node} value=${value} open /></div>`
}

/**
 * How soon a reader wants to see a member: figures, then lists, the shorter the sooner, then what has to be unfolded.
 * @param {unknown} member
 */
function rank(member) {
  if (!Array.isArray(member)) return isObject(member) && Object.values(member).every(isPlain) ? 0 : 1e9
  return member.length > 0 ? member.length : 2e9
}

/** @param {unknown} value */
const isPlain = (value) => typeof value !== 'object' || value === null

/** The plain members of a result, then each of the others under its name. @param {{ value: Record<string, unknown> }} props */
function Members({ value }) {
  const entries = Object.entries(value)
  const plain = Object.fromEntries(entries.filter(([, member]) => isPlain(member)))
  const others = entries.filter(([, member]) => !isPlain(member)).sort(([, a], [, b]) => rank(a) - rank(b))
  return html`${Object.keys(plain).length > 0 && html`<div class="panel"><${Facts} value=${plain} /></div>`}
    ${others.map(([name, member]) => {
      const size = Array.isArray(member) ? member.length : undefined
      return html`<details key=${name} class="member" open=${rank(member) < 1e9}>
        <summary><h3>${spaced(name)} <span class="count">${size}</span></h3></summary>
        ${
          isObject(member) && rank(member) === 0
            ? html`<div class="panel"><${Facts} value=${member} /></div>`
            : html`<${Listed} value=${member} />`
        }
      </details>`
    })}`
}

/** @param {{ value: unknown }} props */
function Listed({ value }) {
  if (columnsOf(value)) return html`<${Value} value=${value} />`
  return html`<div class="panel"><${Value} value=${value} /></div>`
}

/** `shoppingList` as people write it. @param {string} name */
const spaced = (name) =>
  name.replaceAll(/([a-z])([A-Z])/g, (_, end, start) => `${end} ${start.toLowerCase()}`)

/** @param {{ value: Record<string, unknown> }} props */
function Facts({ value }) {
  return html`<dl class="facts">
    ${Object.entries(value).map(
      ([name, member]) => html`<div key=${name}><dt>${spaced(name)}</dt><dd>${cellText(member)}</dd></div>`
    )}
  </dl>`
}

/** @param {unknown} value */
function cellText(value) {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return value.toLocaleString()
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return value.join(', ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** @param {{ rows: Record<string, unknown>[], columns: string[] }} props */
function DataTable({ rows, columns }) {
  const [count, setCount] = useState(rowsAtOnce)
  const isNumeric = (/** @type {string} */ column) =>
    rows.every((row) => row[column] === undefined || row[column] === null || typeof row[column] === 'number')
  const numeric = new Set(columns.filter(isNumeric))
  return html`<div class="data">
    <div class="scroll" tabindex="0" role="group" aria-label="Table">
      <table>
        <thead>
          <tr>
            ${columns.map((column) => html`<th key=${column} scope="col" class=${numeric.has(column) ? 'number' : ''}>${spaced(column)}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.slice(0, count).map(
            (row, index) => html`<tr key=${index}>
              ${columns.map((column) => html`<td key=${column} class=${numeric.has(column) ? 'number' : ''}>${cellText(row[column])}</td>`)}
            </tr>`
          )}
        </tbody>
      </table>
    </div>
    <div class="data-footer">
      ${
        rows.length > count &&
        html`<button onClick=${() => setCount(count * 4)}>More of ${rows.length.toLocaleString()} rows</button>`
      }
      <button class="quiet" onClick=${() => copy(toCsv(rows, columns), 'the table as CSV')}><${Icon} name="copy" />Copy as CSV</button>
    </div>
  </div>`
}

/** @param {Record<string, unknown>[]} rows @param {string[]} columns */
function toCsv(rows, columns) {
  const cell = (/** @type {unknown} */ value) => {
    const text = typeof value === 'number' ? String(value) : cellText(value)
    // A spreadsheet must not take a part's name for a formula.
    const safe = typeof value !== 'number' && /^[=+@\t\r-]/.test(text) ? `'${text}` : text
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  }
  return [columns, ...rows.map((row) => columns.map((column) => row[column]))]
    .map((line) => line.map(cell).join(','))
    .join('\r\n')
}

/** @param {{ value: unknown, name?: string, open?: boolean }} props */
function Node({ value, name, open = false }) {
  const [isOpen, setOpen] = useState(open)
  const [count, setCount] = useState(rowsAtOnce)
  const label = name !== undefined && html`<span class="key">${name}:</span> `
  if (typeof value !== 'object' || value === null) return html`<div>${label}<${Plain} value=${value} /></div>`
  const entries = Array.isArray(value)
    ? value.map((item, index) => [String(index), item])
    : Object.entries(value)
  const size = `${entries.length.toLocaleString()} ${Array.isArray(value) ? (entries.length === 1 ? 'item' : 'items') : entries.length === 1 ? 'field' : 'fields'}`
  if (entries.length === 0)
    return html`<div>${label}<span class="note">${Array.isArray(value) ? '[ ]' : '{ }'}</span></div>`
  const onToggle = (/** @type {Event} */ event) =>
    setOpen(/** @type {HTMLDetailsElement} */ (event.currentTarget).open)
  return html`<details open=${isOpen} onToggle=${onToggle}>
    <summary>${label}<span class="note">${size}</span></summary>
    ${
      isOpen &&
      html`<div class="children">
        ${entries.slice(0, count).map(([key, item]) => html`<${Node} key=${key} name=${key} value=${item} open=${entries.length <= openUpTo && sizeOf(item) <= openUpTo} />`)}
        ${entries.length > count && html`<button onClick=${() => setCount(count * 4)}>More of ${size}</button>`}
      </div>`
    }
  </details>`
}

/** @param {unknown} value */
const sizeOf = (value) => (typeof value === 'object' && value !== null ? Object.keys(value).length : 0)

/** @param {{ value: unknown }} props */
function Plain({ value }) {
  const [isWhole, setWhole] = useState(false)
  if (typeof value !== 'string') return html`<span class="literal">${String(value)}</span>`
  if (value.length <= longText || isWhole) return html`<span class="string">${value}</span>`
  return html`<span class="string">${value.slice(0, longText)}…</span>
    <button onClick=${() => setWhole(true)}>All ${value.length.toLocaleString()} characters</button>`
}

/** @param {{ value: unknown, what: string }} props */
export function CopyButton({ value, what }) {
  const text = () => (typeof value === 'string' ? value : JSON.stringify(value, null, 2))
  return html`<button class="quiet" aria-label=${`Copy ${what}`} onClick=${() => copy(text(), what)}>
    <${Icon} name="copy" />Copy
  </button>`
}

/** @param {string} text @param {string} what */
async function copy(text, what) {
  try {
    // There is no clipboard for pages that come over plain HTTP from elsewhere.
    if (navigator.clipboard) await navigator.clipboard.writeText(text)
    else copyBySelection(text)
    notify(`Copied ${what}`)
  } catch (error) {
    notify(`Could not copy ${what}: ${error instanceof Error ? error.message : error}`, true)
  }
}

/** @param {string} text */
function copyBySelection(text) {
  const area = document.createElement('textarea')
  area.value = text
  document.body.append(area)
  area.select()
  const isCopied = document.execCommand('copy')
  area.remove()
  if (!isCopied) throw new Error('the browser does not allow it')
}
