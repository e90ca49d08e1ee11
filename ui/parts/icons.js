import { html } from '../vendor/preact.js'

// Drawn on a grid of 16, in the colour of the text beside them.
const paths = {
  cancel: 'M4 4l8 8M12 4l-8 8',
  retry: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
  delete: 'M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5',
  copy: 'M6 6h7v7H6zM3 10V3h7',
  file: 'M4 2h5l3 3v9H4zM9 2v3h3',
  warning: 'M8 2.5l6 10.5H2zM8 6.5v3M8 11v.5',
  offline: 'M2 2l12 12M3 7a7 7 0 0 1 3-1.7M13 7a7 7 0 0 0-4-1.9M5.5 9.5A3.5 3.5 0 0 1 8 8.4M8 12v.5',
  more: 'M4 6l4 4 4-4',
  clock: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 5v3l2 2'
}

/** @param {{ name: keyof typeof paths }} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${paths[name]} /></svg>`
}
