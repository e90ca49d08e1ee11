import { steps } from '../core/history.js'
import { createStore, useStore } from '../core/store.js'
import { html, useEffect, useRef } from '../vendor/preact.js'
import UPlot from '../vendor/uplot.js'

/** @typedef {import('../core/history.js').Step} Step */

const height = 72
const stepSeconds = 10
const spanSeconds = 30 * 60

const series = /** @type {const} */ ([
  { name: 'started', word: 'Started', scale: 'y' },
  { name: 'finished', word: 'Finished', scale: 'y' },
  { name: 'failed', word: 'Failed', scale: 'y' },
  { name: 'waiting', word: 'Waiting', scale: 'waiting' }
])

/** The step that the pointer is over. */
const pointed = createStore(/** @type {number | null} */ (null))
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const darkScheme = matchMedia('(prefers-color-scheme: dark)')

/** The last half hour in small. */
export function HistoryPlot() {
  const history = useStore(steps)
  const box = useRef(/** @type {HTMLElement | null} */ (null))
  const plot = useRef(/** @type {UPlot | undefined} */ (undefined))
  useEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current)
    const draw = () => {
      plot.current?.destroy()
      plot.current = new UPlot(optionsFor(element), dataOf(steps.value), element)
    }
    draw()
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }))
    resized.observe(element)
    darkScheme.addEventListener('change', draw)
    return () => {
      resized.disconnect()
      darkScheme.removeEventListener('change', draw)
      plot.current?.destroy()
    }
  }, [])
  useEffect(() => plot.current?.setData(dataOf(history)), [history])
  return html`<figure class="plot">
    <div ref=${box} class="canvas" role="img" aria-label=${describe(history)}></div>
    <${Legend} />
  </figure>`
}

function Legend() {
  const history = useStore(steps)
  const index = useStore(pointed)
  const step = history[index ?? history.length - 1]
  return html`<figcaption aria-hidden="true">
    ${series.map(
      ({ name, word, scale }) => html`<span key=${name} class="series ${name}">
        ${word} ${(step && figureOf(step, name))?.toLocaleString() ?? '–'}${scale === 'y' ? '/min' : ''}
      </span>`
    )}
    <span class="when">${step ? (index === null ? 'now' : clock.format(step.endedAt)) : 'no figures yet'}</span>
  </figcaption>`
}

/** @param {Step[]} history */
function describe(history) {
  const sum = (/** @type {'started' | 'finished' | 'failed'} */ name) =>
    history.reduce((total, step) => total + step[name], 0)
  const waiting = history.at(-1)?.waiting ?? 0
  return `The last 30 minutes: ${sum('started')} started, ${sum('finished')} finished, ${sum('failed')} failed, ${waiting} waiting now`
}

/** What happened as a rate a minute, what waits as it is. @param {Step} step @param {typeof series[number]['name']} name */
function figureOf(step, name) {
  if (name === 'waiting') return step.waiting
  return (step[name] * 60) / stepSeconds
}

/** @param {Step[]} history @returns {import('uplot').AlignedData} */
function dataOf(history) {
  const times = history.map(({ endedAt }) => endedAt / 1000)
  const columns = series.map(({ name }) => history.map((step) => figureOf(step, name)))
  return [times, ...columns]
}

/** @param {HTMLElement} element @returns {import('uplot').Options} */
function optionsFor(element) {
  // What a variable stands for in the scheme of now is known of a property that uses it alone.
  const colour = (/** @type {string} */ name) => {
    element.style.color = `var(--plot-${name})`
    return getComputedStyle(element).color
  }
  const axis = {
    stroke: colour('axis'),
    grid: { stroke: colour('grid'), width: 1 },
    ticks: { show: false },
    font: '10px system-ui'
  }
  const fromZero = (/** @type {unknown} */ _, /** @type {number} */ __, /** @type {number} */ max) =>
    /** @type {[number, number]} */ ([0, Math.max(1, max * 1.1 || 1)])
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    padding: [4, 0, 0, 0],
    cursor: { y: false, drag: { x: false }, points: { size: 5 } },
    scales: {
      x: {
        time: true,
        range: (_, __, newest) => {
          const end = Number.isFinite(newest) ? newest : Date.now() / 1000
          return [end - spanSeconds, end]
        }
      },
      y: { range: fromZero },
      waiting: { range: fromZero }
    },
    axes: [
      {
        ...axis,
        size: 16,
        gap: 2,
        space: 70,
        values: (_, times) => times.map((time) => clock.format(time * 1000))
      },
      { ...axis, size: 34, gap: 2, space: 24 },
      { ...axis, show: false, scale: 'waiting', side: 1 }
    ],
    series: [
      {},
      ...series.map(({ name, word, scale }) => ({
        label: word,
        scale,
        stroke: colour(name),
        width: scale === 'waiting' ? 1 : 1.5,
        ...(scale === 'waiting' && { fill: colour('waiting-fill') }),
        points: { show: false }
      }))
    ],
    hooks: { setCursor: [({ cursor }) => pointed.set(cursor.idx ?? null)] }
  }
}
