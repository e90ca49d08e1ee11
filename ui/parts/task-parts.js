import { linkTo } from '../core/route.js'
import { html } from '../vendor/preact.js'

/** @typedef {import('../../src/task.ts').TaskSummary} Task */

const words = {
  pending: 'Waiting',
  scheduled: 'Due later',
  running: 'Running',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled'
}

/** @param {{ task: Pick<Task, 'status' | 'runAt'> & Partial<Task>, due?: boolean }} props */
export function StatusBadge({ task, due = false }) {
  const status = task.status === 'pending' && due ? 'scheduled' : task.status
  return html`<span class="badge ${status}">${words[status]}</span>`
}

/** @param {Pick<Task, 'status' | 'runAt'>} task @param {number} now */
export function isDueLater({ status, runAt }, now) {
  return status === 'pending' && runAt !== undefined && Date.parse(runAt) > now
}

/** @param {{ progress: Task['progress'], label: string }} props */
export function ProgressBar({ progress: { value, text }, label }) {
  const percent = Math.floor(value * 100)
  return html`<div class="progress">
    <progress max="1" value=${value} aria-label=${label}></progress>
    <span class="percent">${percent} %</span>
    <span class="progress-text" title=${text}>${text}</span>
  </div>`
}

/**
 * Ids begin with their time, so that the ends are what tells them apart.
 * @param {string} taskId
 */
export const shortId = (taskId) => taskId.slice(-8)

/** @param {{ task: Pick<Task, 'taskId' | 'type'> }} props */
export function TaskLink({ task: { taskId, type } }) {
  return html`<a class="task-link" href=${linkTo(`task/${taskId}`)} title=${taskId}>
    <strong>${type}</strong> <code>${shortId(taskId)}</code>
  </a>`
}

/** @param {{ labels: Record<string, string> | undefined }} props */
export function Labels({ labels = {} }) {
  return Object.entries(labels).map(
    ([key, value]) => html`<a
      class="label"
      key=${key}
      href=${linkTo('tasks', { label: `${key}:${value}` })}
      title=${`Tasks with ${key}: ${value}`}
      ><span class="label-key">${key}</span> ${value}</a
    >`
  )
}
