import { html } from '../vendor/preact.js'

/** A description, in which `names` are written as in Markdown. @param {{ text: string | undefined }} props */
export function Prose({ text = '' }) {
  return text
    .split('`')
    .map((part, index) => (index % 2 === 1 ? html`<code key=${index}>${part}</code>` : part))
}
