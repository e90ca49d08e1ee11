/** What is done to all tasks that match the filter of the page; how many those are is said before. */
import { call } from '../core/api.js'
import { html, useEffect, useState } from '../vendor/preact.js'
import { ask } from './dialog.js'

/** @typedef {import('../views/tasks.js').Filter} Filter */

const pageSize = 200
const mostCounted = 10_000
const mostAtOnce = 10_000

const operations = {
  cancel: { word: 'Cancel all', done: 'Cancelled', statuses: ['pending', 'running'], danger: true },
  retry: { word: 'Run all again', done: 'Started again', statuses: ['failed'], danger: false },
  delete: {
    word: 'Delete all',
    done: 'Deleted',
    statuses: ['completed', 'failed', 'cancelled'],
    danger: true
  }
}

/** @param {{ filter: Filter }} props */
export function ManyActions({ filter }) {
  const { status, type, label } = filter
  // An operation without a filter would be one on everything, which the API refuses.
  if (!status && !type && label.length === 0) return
  const possible = Object.entries(operations).filter(
    ([name, { statuses }]) =>
      !status ||
      statuses.includes(status) ||
      (name === 'retry' && ['completed', 'cancelled'].includes(status))
  )
  return html`<div class="actions">
    ${possible.map(
      ([name, operation]) =>
        html`<button key=${name} onClick=${() => askMany(name, operation, filter)}>${operation.word}…</button>`
    )}
  </div>`
}

/** @param {string} name @param {typeof operations['cancel']} operation @param {Filter} filter */
function askMany(name, { word, done, statuses, danger }, filter) {
  const among = filter.status ? [filter.status] : statuses
  /** @type {Counted | undefined} */
  let counted
  ask({
    title: `${word} that match?`,
    body: html`<${Count}
      filter=${filter}
      among=${among}
      except=${name === 'retry' ? 'retriedAs' : undefined}
      onCounted=${(/** @type {Counted} */ result) => {
        counted = result
      }}
    />`,
    action: word,
    danger,
    async run() {
      if (!counted) throw new Error('They are still being counted')
      if (counted.count === 0) return 'No task matched'
      // None that came after the count: nobody has agreed to those.
      const createdBefore = new Date(Date.parse(counted.newest) + 1).toISOString()
      const { status, type, label } = filter
      const labels = Object.fromEntries(
        label.map((text) => [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)])
      )
      const body = {
        filter: {
          ...(status && { status }),
          ...(type && { type }),
          ...(label.length > 0 && { labels }),
          createdBefore
        },
        limit: mostAtOnce
      }
      let total = 0
      for (;;) {
        const { done, more } = await call('POST', `api/tasks/${name}`, { body })
        total += done
        if (!more || done === 0) break
      }
      return `${done} ${total.toLocaleString()} ${total === 1 ? 'task' : 'tasks'}`
    }
  })
}

/** @typedef {{ count: number, newest: string }} Counted */

/**
 * @param {{ filter: Filter, among: string[], except?: 'retriedAs', onCounted: (result: Counted) => void }} props
 */
function Count({ filter, among, except, onCounted }) {
  const [count, setCount] = useState(0)
  const [state, setState] = useState(/** @type {'counting' | 'done' | 'many' | Error} */ ('counting'))
  useEffect(() => {
    const controller = new AbortController()
    countMatching({
      filter,
      among,
      ...(except && { except }),
      signal: controller.signal,
      onCount: setCount
    }).then(
      (result) => {
        onCounted(result)
        setState(result.count >= mostCounted ? 'many' : 'done')
      },
      (error) => controller.signal.aborted || setState(error)
    )
    return () => controller.abort()
  }, [])
  if (state instanceof Error) return html`<p class="problem" role="alert">${state.message}</p>`
  const number = count.toLocaleString()
  return html`<p aria-live="polite">
    ${state === 'counting' ? html`Counting: ${number}…` : html`<strong>${state === 'many' ? 'More than ' : ''}${number}</strong> ${count === 1 ? 'task matches' : 'tasks match'} ${describe(filter, among)}.`}
    ${state !== 'counting' && ' Tasks started from now on are not affected.'}
  </p>`
}

/** @param {Filter} filter @param {string[]} among */
function describe({ type, label }, among) {
  const conditions = [
    among.join(' or '),
    type && `of type ${type}`,
    label.length > 0 && `with ${label.join(' and ')}`
  ]
  return conditions.filter(Boolean).join(', ')
}

/**
 * The API counts nothing, so their pages are.
 * @param {{ filter: Filter, among: string[], except?: 'retriedAs', signal: AbortSignal, onCount: (count: number) => void }} options
 * @returns {Promise<Counted>}
 */
async function countMatching({ filter: { type, label }, among, except, signal, onCount }) {
  let count = 0
  let newest = new Date(0).toISOString()
  for (const status of among) {
    let cursor
    do {
      const query = { status, type, label, limit: pageSize, cursor }
      /** @type {{ tasks: import('../../src/task.ts').TaskSummary[], nextCursor?: string }} */
      const page = await call('GET', 'api/tasks', { query, signal })
      const first = page.tasks[0]
      if (first && first.createdAt > newest) newest = first.createdAt
      count += page.tasks.filter((task) => !except || task[except] === undefined).length
      onCount(count)
      cursor = page.nextCursor
    } while (cursor !== undefined && count < mostCounted)
  }
  return { count, newest }
}
