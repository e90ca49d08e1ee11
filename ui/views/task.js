import { now, useNow } from '../core/clock.js'
import { go, linkTo } from '../core/route.js'
import { useStore } from '../core/store.js'
import { followTask } from '../core/task-story.js'
import { useTaskTypes } from '../core/task-types.js'
import { ListProblem } from '../parts/list-parts.js'
import { Attempts, Log, Timeline } from '../parts/story.js'
import { TaskActions } from '../parts/task-actions.js'
import { isDueLater, Labels, ProgressBar, StatusBadge, shortId } from '../parts/task-parts.js'
import { reasons } from '../parts/task-table.js'
import { Ago, Elapsed, formatDuration } from '../parts/time.js'
import { CopyButton, Value } from '../parts/value.js'
import { html, useEffect, useMemo } from '../vendor/preact.js'

/** @typedef {import('../../src/task.ts').TaskRecord} TaskRecord */

/** @param {{ route: import('../core/route.js').Route }} props */
export function TaskView({ route: { id = '' } }) {
  const { story, read, stop } = useMemo(() => followTask(id), [id])
  useEffect(() => stop, [id])
  const { task, events, log, error, gone } = useStore(story)
  if (gone)
    return html`<h1 tabindex="-1">No such task</h1>
      <p>
        <code>${id}</code> is not there, or not any more: finished tasks are removed after some time.
        ${' '}<a href=${linkTo('tasks')}>All tasks</a>
      </p>`
  return html`<div class="title-row">
      <h1 tabindex="-1">${task?.type ?? 'Task'} <code>${shortId(id)}</code></h1>
      ${task && html`<${TaskActions} task=${task} onDeleted=${() => go(linkTo('tasks'))} />`}
    </div>
    ${error && html`<${ListProblem} error=${error} />`}
    ${
      task
        ? html`<${Summary} task=${task} onChange=${read} />
            <${Outcome} task=${task} />
            <div class="columns">
              <section>
                <h2>What happened</h2>
                <${Timeline} task=${task} events=${events} />
              </section>
              <section>
                <h2>Attempts <span class="count">${task.attempt}</span></h2>
                <${Attempts} task=${task} />
              </section>
            </div>
            <${Log} log=${log} isOver=${task.endedAt !== undefined} />
            ${
              task.input !== undefined &&
              html`<section>
                <div class="section-title"><h2>Input</h2><${CopyButton} value=${task.input} what="the input" /></div>
                <div class="panel"><${Value} value=${task.input} /></div>
              </section>`
            }`
        : html`<p class="note">Loading…</p>`
    }`
}

/** @param {{ task: TaskRecord }} props */
function Summary({ task }) {
  useNow()
  const due = isDueLater(task, now())
  const { status, startedAt, endedAt, createdAt, runAt, priority, labels, retryOf, retriedAs, requestId } =
    task
  const took = startedAt && endedAt && (Date.parse(endedAt) - Date.parse(startedAt)) / 1000
  const waited = startedAt && (Date.parse(startedAt) - Date.parse(runAt ?? createdAt)) / 1000
  const other = (/** @type {string} */ taskId) =>
    html`<a href=${linkTo(`task/${taskId}`)}><code>${shortId(taskId)}</code></a>`
  return html`<div class="panel summary">
    <div class="state">
      <${StatusBadge} task=${task} due=${due} />
      ${status === 'running' && html`<${ProgressBar} progress=${task.progress} label="Progress" />`}
      ${status === 'pending' && (due ? html`<${Ago} at=${runAt} />` : html`<span class="note">for <${Elapsed} from=${runAt ?? createdAt} /></span>`)}
      ${status === 'cancelled' && html`<span class="note">by ${reasons[task.cancelReason ?? 'client']}</span>`}
    </div>
    <dl class="facts">
      <${Fact} name="Accepted"><${Ago} at=${createdAt} /><//>
      ${runAt && html`<${Fact} name="To run at"><${Ago} at=${runAt} /><//>`}
      ${startedAt && html`<${Fact} name=${task.attempt > 1 ? 'Started last' : 'Started'}><${Ago} at=${startedAt} /><//>`}
      ${endedAt && html`<${Fact} name="Ended"><${Ago} at=${endedAt} /><//>`}
      ${task.attempt === 1 && typeof waited === 'number' && html`<${Fact} name="Waited">${formatDuration(Math.max(0, waited))}<//>`}
      ${typeof took === 'number' && html`<${Fact} name="Took">${formatDuration(took)}<//>`}
      ${priority > 0 && html`<${Fact} name="Priority">${priority}<//>`}
      ${retryOf && html`<${Fact} name="Repeats">${other(retryOf)}<//>`}
      ${retriedAs && html`<${Fact} name="Run again as">${other(retriedAs)}<//>`}
      ${labels && html`<${Fact} name="Labels"><${Labels} labels=${labels} /><//>`}
      <${Policies} type=${task.type} isOver=${endedAt !== undefined} />
      ${requestId && html`<${Fact} name="Request"><code>${requestId}</code><//>`}
      <${Fact} name="Id"><code>${task.taskId}</code> <${CopyButton} value=${task.taskId} what="the id" /><//>
    </dl>
  </div>`
}

/** @param {{ name: string, children?: any }} props */
function Fact({ name, children }) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`
}

/** What will become of it if the service is stopped. @param {{ type: string, isOver: boolean }} props */
function Policies({ type, isOver }) {
  const policy = useTaskTypes()?.find((one) => one.type === type)
  if (!policy || isOver) return
  const fate =
    policy.onShutdown === 'requeue' ? 'requeued, to continue from its last checkpoint' : 'cancelled'
  return html`<${Fact} name="Time limit">${formatDuration(policy.timeoutSeconds)}<//>
    <${Fact} name="At the end of a drain">${fate}<//>`
}

/** @param {{ task: TaskRecord }} props */
function Outcome({ task: { status, error, result } }) {
  if (status === 'failed' && error)
    return html`<section>
      <h2>Error</h2>
      <div class="panel failure">
        <code>${error.code}</code>
        <p>${error.message}</p>
      </div>
    </section>`
  if (status !== 'completed' || result === undefined) return
  return html`<section>
    <div class="section-title"><h2>Result</h2><${CopyButton} value=${result} what="the result" /></div>
    <${Value} value=${result} top />
  </section>`
}
