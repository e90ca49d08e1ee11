import { now, useNow } from '../core/clock.js'
import { html, useLayoutEffect, useRef } from '../vendor/preact.js'
import { TaskActions } from './task-actions.js'
import { isDueLater, Labels, ProgressBar, StatusBadge, TaskLink } from './task-parts.js'
import { Ago, Elapsed, formatDuration } from './time.js'

/** @typedef {import('../../src/task.ts').TaskSummary} Task */

/** @param {{ tasks: readonly Task[], caption: string, onDeleted: () => void }} props */
export function TaskTable({ tasks, caption, onDeleted }) {
  const table = useRef(/** @type {HTMLElement | null} */ (null))
  useKeptFocus(table, tasks)
  return html`<table class="tasks" ref=${table}>
    <caption class="unseen">${caption}</caption>
    <thead>
      <tr>
        <th scope="col">Task</th>
        <th scope="col">State</th>
        <th scope="col">Details</th>
        <th scope="col">When</th>
        <th scope="col"><span class="unseen">Actions</span></th>
      </tr>
    </thead>
    <tbody>
      ${tasks.map((task) => html`<${TaskRow} key=${task.taskId} task=${task} onDeleted=${onDeleted} />`)}
    </tbody>
  </table>`
}

/** @param {{ task: Task, onDeleted: () => void }} props */
function TaskRow({ task, onDeleted }) {
  const due = isDueLater(task, now())
  return html`<tr data-task=${task.taskId}>
    <td class="cell-task"><${TaskLink} task=${task} /> <${Labels} labels=${task.labels} /></td>
    <td class="cell-state"><${StatusBadge} task=${task} due=${due} /></td>
    <td class="cell-what"><${Story} task=${task} due=${due} /></td>
    <td class="cell-when"><${When} task=${task} due=${due} /></td>
    <td class="cell-actions"><${TaskActions} task=${task} compact onDeleted=${onDeleted} /></td>
  </tr>`
}

/** @param {{ task: Task, due: boolean }} props */
function Story({ task, due }) {
  const { status, progress, error, attempt, startedAt, endedAt, cancelReason, retriedAs, priority } = task
  switch (status) {
    case 'running':
      return html`<${ProgressBar} progress=${progress} label=${`Progress of ${task.type}`} />
        ${attempt > 1 && html`<span class="note">attempt ${attempt}</span>`}`
    case 'pending':
      return html`<span class="note">
        ${due ? 'waits for its time' : attempt > 0 ? `waits for attempt ${attempt + 1}` : 'waits for a free slot'}
        ${priority > 0 ? `, priority ${priority}` : ''}
      </span>`
    case 'failed':
      return html`<span class="error-text"><code>${error?.code}</code> ${error?.message}</span>
        ${retriedAs && html`<span class="note">has been retried</span>`}`
    case 'cancelled':
      return html`<span class="note">by ${reasons[cancelReason ?? 'client']}</span>`
    default:
      return html`<span class="note">
        ${startedAt && endedAt ? `took ${formatDuration((Date.parse(endedAt) - Date.parse(startedAt)) / 1000)}` : ''}
        ${attempt > 1 ? `, ${attempt} attempts` : ''}
      </span>`
  }
}

export const reasons = { client: 'a client', shutdown: 'a shutdown', timeout: 'its time limit' }

/** @param {{ task: Task, due: boolean }} props */
function When({ task: { status, startedAt, endedAt, createdAt, runAt }, due }) {
  useNow()
  if (status === 'running') return html`for <${Elapsed} from=${startedAt ?? createdAt} />`
  if (status === 'pending')
    return due ? html`<${Ago} at=${runAt} />` : html`for <${Elapsed} from=${runAt ?? createdAt} />`
  return html`<${Ago} at=${endedAt ?? createdAt} />`
}

/**
 * Where the focus was in a row that has gone, it goes to the row that took its place: a reader with a keyboard must not
 * be thrown back to the top of the page because a task has ended.
 * @param {{ current: HTMLElement | null }} table
 * @param {readonly Task[]} tasks
 */
function useKeptFocus(table, tasks) {
  const focused = useRef(/** @type {{ taskId: string, index: number } | undefined} */ (undefined))
  useLayoutEffect(() => {
    const was = focused.current
    if (
      was &&
      document.activeElement === document.body &&
      !tasks.some(({ taskId }) => taskId === was.taskId)
    ) {
      const rows = table.current?.querySelectorAll('tbody tr') ?? []
      const row = rows[Math.min(was.index, rows.length - 1)]
      const target = row?.querySelector('a') ?? table.current?.closest('section')?.querySelector('h2')
      if (target instanceof HTMLElement) target.focus()
    }
    const row = document.activeElement?.closest('tr[data-task]')
    focused.current =
      row instanceof HTMLTableRowElement && table.current?.contains(row)
        ? { taskId: row.dataset.task ?? '', index: row.sectionRowIndex }
        : undefined
  })
  useLayoutEffect(() => {
    const note = (/** @type {FocusEvent} */ event) => {
      const row = event.target instanceof Element ? event.target.closest('tr[data-task]') : null
      if (row instanceof HTMLTableRowElement)
        focused.current = { taskId: row.dataset.task ?? '', index: row.sectionRowIndex }
    }
    const element = table.current
    element?.addEventListener('focusin', note)
    return () => element?.removeEventListener('focusin', note)
  }, [])
}
