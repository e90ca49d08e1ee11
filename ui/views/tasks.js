import { now, useNow } from '../core/clock.js'
import { linkTo, replaceRoute } from '../core/route.js'
import { status } from '../core/status.js'
import { useStore } from '../core/store.js'
import { useLists } from '../core/use-lists.js'
import { ListFooter, ListProblem } from '../parts/list-parts.js'
import { ManyActions } from '../parts/many-actions.js'
import { TaskFilter } from '../parts/task-filter.js'
import { isDueLater } from '../parts/task-parts.js'
import { TaskTable } from '../parts/task-table.js'
import { html } from '../vendor/preact.js'

/** @typedef {import('../core/task-list.js').TaskList} TaskList */
/** @typedef {import('../../src/task.ts').TaskSummary} Task */

/** @param {{ route: import('../core/route.js').Route }} props */
export function TasksView({ route: { query } }) {
  const filter = {
    status: query.get('status') ?? undefined,
    type: query.get('type') ?? undefined,
    label: query.getAll('label')
  }
  const change = (/** @type {typeof filter} */ next) => replaceRoute(linkTo('tasks', next))
  return html`<div class="title-row">
      <h1 tabindex="-1">Tasks</h1>
      <${ManyActions} filter=${filter} />
    </div>
    <${TaskFilter} filter=${filter} onChange=${change} />
    ${filter.status ? html`<${OneStatus} filter=${filter} />` : html`<${Overview} filter=${filter} />`}`
}

/** @typedef {{ status?: string | undefined, type?: string | undefined, label: string[] }} Filter */

/** @param {Filter} filter */
const streamFilter = ({ type, label }) => ({ ...(type && { type }), ...(label.length > 0 && { label }) })

/** All tasks of one status, page by page. @param {{ filter: Filter }} props */
function OneStatus({ filter }) {
  const [list] = useLists(streamFilter(filter), [{ status: filter.status ?? '', limit: 50 }])
  if (!list) return
  return html`<${Section} list=${list} title=${titles[filter.status ?? ''] ?? filter.status} paged />`
}

/** @type {Record<string, string>} */
const titles = {
  pending: 'Waiting',
  running: 'Running',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled'
}

const wanted = [
  { status: 'failed', limit: 20 },
  { status: 'running', limit: 100 },
  { status: 'pending', limit: 100 },
  { status: 'completed', limit: 20 },
  { status: 'cancelled', limit: 10 }
]

/** What an operator looks for, in that order: what went wrong, what runs, what waits, and what has been done. */
/** @param {{ filter: Filter }} props */
function Overview({ filter }) {
  useNow()
  const lists = useLists(streamFilter(filter), wanted)
  const [failed, running, pending, completed, cancelled] = /** @type {TaskList[]} */ (lists)
  const states = lists.map(({ state }) => useStore(state))
  const isEmpty = states.every(({ loaded, tasks }) => loaded && tasks.length === 0)
  const error = states.find((state) => state.error)?.error
  const due = (/** @type {Task} */ task) => isDueLater(task, now())
  const hasFilter = filter.type !== undefined || filter.label.length > 0
  if (isEmpty) return html`<${Empty} filtered=${hasFilter} />`
  return html`${error && html`<${ListProblem} error=${error} />`}
    <${Section}
      list=${failed} title="Failed" short=${5} hidesEmpty filter=${filter}
      only=${(/** @type {Task} */ task) => !task.retriedAs}
    />
    <${Section} list=${running} title="Running" short=${50} filter=${filter} empty="Nothing runs." />
    <${Section}
      list=${pending} title="Waiting" short=${20} filter=${filter} empty="Nothing waits."
      only=${(/** @type {Task} */ task) => !due(task)} total=${hasFilter ? undefined : 'pendingTasks'}
    />
    <${Section}
      list=${pending} title="Due later" short=${20} filter=${filter} hidesEmpty
      only=${due} sort=${byRunAt} total=${hasFilter ? undefined : 'scheduledTasks'}
    />
    <${Section} list=${completed} title="Completed" short=${20} filter=${filter} empty="Nothing was completed lately." />
    <${Section} list=${cancelled} title="Cancelled" short=${10} hidesEmpty filter=${filter} />`
}

/** @param {Task} a @param {Task} b */
const byRunAt = (a, b) => String(a.runAt).localeCompare(String(b.runAt))

/**
 * @typedef {object} SectionProps
 * @property {TaskList} list
 * @property {string} title
 * @property {Filter} [filter] with a link to all of them
 * @property {number} [short] how many are shown
 * @property {(task: Task) => boolean} [only]
 * @property {(a: Task, b: Task) => number} [sort]
 * @property {'pendingTasks' | 'scheduledTasks'} [total] which figure says how many there are
 * @property {boolean} [hidesEmpty]
 * @property {string} [empty]
 * @property {boolean} [paged]
 */

/** @param {SectionProps} props */
function Section({
  list,
  title,
  filter,
  short = Number.POSITIVE_INFINITY,
  only,
  sort,
  total,
  hidesEmpty,
  empty,
  paged
}) {
  const { tasks, loaded, nextCursor, error } = useStore(list.state)
  const answer = useStore(status)
  const matching = only ? tasks.filter(only) : tasks
  const shown = (sort ? matching.toSorted(sort) : matching).slice(0, short)
  if (hidesEmpty && shown.length === 0) return
  const known = total && answer ? answer[total] : undefined
  const count =
    known ?? (nextCursor || matching.length > shown.length ? `${matching.length}+` : matching.length)
  const hasMore = filter && (matching.length > shown.length || nextCursor !== undefined)
  const reload = () => void list.refresh()
  return html`<section aria-busy=${String(!loaded)}>
    <div class="section-title">
      <h2 tabindex="-1">${title} <span class="count">${loaded ? count.toLocaleString() : ''}</span></h2>
      ${hasMore && html`<a href=${linkTo('tasks', { ...filter, status: statusOf(title) })}>All of them<span class="unseen"> that are ${title.toLowerCase()}</span></a>`}
    </div>
    ${paged && error && html`<${ListProblem} error=${error} />`}
    ${
      shown.length > 0
        ? html`<${TaskTable} tasks=${shown} caption=${title} onDeleted=${reload} />`
        : html`<p class="note">${loaded ? (empty ?? 'None.') : 'Loading…'}</p>`
    }
    ${paged && html`<${ListFooter} list=${list} />`}
  </section>`
}

/** @param {string} title */
const statusOf = (title) =>
  title === 'Due later' ? 'pending' : Object.keys(titles).find((name) => titles[name] === title)

/** @param {{ filtered: boolean }} props */
function Empty({ filtered }) {
  if (filtered)
    return html`<div class="panel empty">
      <h2>No task matches</h2>
      <p><a href=${linkTo('tasks')}>All tasks</a></p>
    </div>`
  return html`<div class="panel empty">
    <h2>Nothing here yet</h2>
    <p>Tasks are listed here as soon as a client starts one.</p>
    <p><a class="button primary" href=${linkTo('start')}>Start a task</a></p>
  </div>`
}
