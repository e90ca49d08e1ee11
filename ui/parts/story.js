import { html, useLayoutEffect, useRef } from '../vendor/preact.js'
import { reasons } from './task-table.js'
import { Elapsed, Exact, formatDuration } from './time.js'

/** @typedef {import('../../src/task.ts').TaskRecord} TaskRecord */
/** @typedef {import('../core/task-story.js').StoryEvent} StoryEvent */

const requeueReasons = {
  retry: 'requeued for another attempt',
  shutdown: 'requeued because its process was stopped',
  lost: 'requeued because its process was lost'
}

/** @param {StoryEvent} event */
function describe({ type, data }) {
  switch (type) {
    case 'task_started':
      return { state: 'running', text: `Attempt ${data.attempt} started` }
    case 'task_requeued':
      return {
        state: 'pending',
        text: `Was ${requeueReasons[/** @type {keyof typeof requeueReasons} */ (data.reason)]}`,
        error: data.error
      }
    case 'task_completed':
      return { state: 'completed', text: 'Completed' }
    case 'task_failed':
      return { state: 'failed', text: 'Failed', error: data }
    default:
      return {
        state: 'cancelled',
        text: `Cancelled by ${reasons[/** @type {keyof typeof reasons} */ (data.reason)] ?? data.reason}`
      }
  }
}

/** @param {{ task: TaskRecord, events: StoryEvent[] }} props */
export function Timeline({ task, events }) {
  const entries = [
    { key: 'accepted', at: task.createdAt, state: 'pending', text: 'Accepted', error: undefined },
    ...events.map((event) => ({ key: event.id, at: event.timestamp, error: undefined, ...describe(event) }))
  ]
  return html`<ol class="timeline">
    ${entries.map(
      ({ key, at, state, text, error }) => html`<li key=${key} class=${state}>
        <${Exact} at=${at} day />
        <div>${text}${error && html`<p class="error-text"><code>${error.code}</code> ${error.message}</p>`}</div>
      </li>`
    )}
  </ol>`
}

const outcomes = {
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  retry: 'failed, to be tried again',
  shutdown: 'stopped with its process',
  lost: 'lost with its process'
}
const outcomeStates = {
  completed: 'completed',
  failed: 'failed',
  retry: 'failed',
  lost: 'failed',
  cancelled: 'cancelled',
  shutdown: 'cancelled'
}

/** @param {{ task: TaskRecord }} props */
export function Attempts({ task: { attempts = [], attempt: count } }) {
  if (attempts.length === 0) return html`<p class="note">None yet.</p>`
  return html`<table class="tasks attempts">
    <caption class="unseen">Attempts</caption>
    <thead>
      <tr><th scope="col">No.</th><th scope="col">Outcome</th><th scope="col">Took</th></tr>
    </thead>
    <tbody>
      ${attempts.toReversed().map(
        ({ attempt, startedAt, endedAt, outcome, error }) => html`<tr key=${attempt}>
            <td>${attempt}</td>
            <td>
              <span class="badge ${outcome ? outcomeStates[outcome] : 'running'}">
                ${outcome ? outcomes[outcome] : 'running'}
              </span>
              ${error && html`<p class="error-text"><code>${error.code}</code> ${error.message}</p>`}
            </td>
            <td class="cell-when">
              ${
                endedAt
                  ? formatDuration((Date.parse(endedAt) - Date.parse(startedAt)) / 1000)
                  : html`<${Elapsed} from=${startedAt} />`
              }
            </td>
          </tr>`
      )}
    </tbody>
  </table>
  ${count > attempts.length && html`<p class="note">The latest ${attempts.length} of ${count}.</p>`}`
}

// Enough to read; the rest would only slow the page down.
const shownLines = 200

/** @param {{ log: StoryEvent[], isOver: boolean }} props */
export function Log({ log, isOver }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null))
  const follows = useRef(true)
  useLayoutEffect(() => {
    if (box.current && follows.current) box.current.scrollTop = box.current.scrollHeight
  }, [log])
  if (log.length === 0) return
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = /** @type {HTMLElement} */ (box.current)
    follows.current = scrollHeight - scrollTop - clientHeight < 8
  }
  const lines = log.slice(-shownLines)
  return html`<section>
    <h2>Progress ${!isOver && html`<span class="count">as it comes</span>`}</h2>
    ${log.length > lines.length && html`<p class="note">The latest ${lines.length} of ${log.length} lines.</p>`}
    <div class="panel log" ref=${box} onScroll=${onScroll} tabindex="0" role="log" aria-live="off" aria-label="Progress">
      ${lines.map(
        ({ id, timestamp, data }) => html`<div key=${id}>
          <${Exact} at=${timestamp} /><span class="percent">${Math.floor(data.value * 100)} %</span>
          <span>${data.text}</span>
        </div>`
      )}
    </div>
  </section>`
}
