/** What can be done to a task: asks first, then does it; if it cannot be done, says why and leaves the page as it was. */
import { call } from '../core/api.js'
import { newKey } from '../core/key.js'
import { go, linkTo } from '../core/route.js'
import { html } from '../vendor/preact.js'
import { ask } from './dialog.js'
import { Icon } from './icons.js'
import { shortId } from './task-parts.js'

/** @typedef {import('../../src/task.ts').TaskSummary} Task */

/** @param {Task} task */
const nameOf = ({ type, taskId }) => html`<strong>${type}</strong> <code>${shortId(taskId)}</code>`

/** @param {Task} task */
function askCancel(task) {
  ask({
    title: 'Cancel this task?',
    body: html`<p>
      ${nameOf(task)} ${task.status === 'running' ? 'is running and will be stopped' : 'will not be run'}. That is final.
    </p>`,
    action: 'Cancel the task',
    danger: true,
    async run() {
      await call('POST', `api/tasks/${task.taskId}/cancel`)
      return 'Cancelled'
    }
  })
}

/** @param {Task} task */
function askRetry(task) {
  const key = newKey()
  ask({
    title: 'Run this task again?',
    body: html`<p>A new task with the same input, priority and labels as ${nameOf(task)}.</p>`,
    action: 'Run it again',
    async run() {
      const headers = { 'idempotency-key': key }
      const { taskId } = await call('POST', `api/tasks/${task.taskId}/retry`, { headers })
      go(linkTo(`task/${taskId}`))
      return `Started again as ${shortId(taskId)}`
    }
  })
}

/** @param {Task} task @param {() => void} [onDeleted] */
function askDelete(task, onDeleted) {
  ask({
    title: 'Delete this task?',
    body: html`<p>${nameOf(task)}, its events and its result will be gone.</p>`,
    action: 'Delete the task',
    danger: true,
    async run() {
      await call('DELETE', `api/tasks/${task.taskId}`)
      onDeleted?.()
      return 'Deleted'
    }
  })
}

/**
 * @param {{ task: Task, compact?: boolean, onDeleted?: () => void }} props `compact` shows icons alone
 */
export function TaskActions({ task, compact = false, onDeleted }) {
  const { status } = task
  const isOver = status !== 'pending' && status !== 'running'
  const button = (
    /** @type {'cancel' | 'retry' | 'delete'} */ name,
    /** @type {string} */ word,
    /** @type {() => void} */ onClick
  ) => {
    const label = `${word} ${task.type} ${shortId(task.taskId)}`
    return html`<button
      key=${name}
      class=${compact ? 'quiet square' : ''}
      aria-label=${label}
      title=${compact ? word : ''}
      onClick=${onClick}
    >
      <${Icon} name=${name} />${compact ? '' : word}
    </button>`
  }
  return html`<div class="actions">
    ${!isOver && button('cancel', 'Cancel', () => askCancel(task))}
    ${isOver && button('retry', 'Run again', () => askRetry(task))}
    ${isOver && button('delete', 'Delete', () => askDelete(task, onDeleted))}
  </div>`
}
