import { ApiError, call } from '../core/api.js'
import { useNow } from '../core/clock.js'
import { podNames } from '../core/history.js'
import { status, watchStatus } from '../core/status.js'
import { useStore } from '../core/store.js'
import { useTaskTypes } from '../core/task-types.js'
import { setToken, tokenOf } from '../core/tokens.js'
import { useLists } from '../core/use-lists.js'
import { Countdown } from '../parts/banner.js'
import { ask } from '../parts/dialog.js'
import { ListFooter } from '../parts/list-parts.js'
import { Labels, ProgressBar, TaskLink } from '../parts/task-parts.js'
import { Ago, Elapsed, formatDuration } from '../parts/time.js'
import { html } from '../vendor/preact.js'

/** @typedef {import('../core/status.js').Status} Status */

export function DrainView() {
  const answer = useStore(status)
  return html`<h1 tabindex="-1">Drain</h1>
    <p class="note intro">
      A process that drains takes no new tasks and finishes what runs, while its streams, probes and metrics go on being served.
    </p>
    ${answer ? html`<${State} answer=${answer} /><${Holding} answer=${answer} />` : html`<p class="note">Loading…</p>`}`
}

const phases = {
  serving: 'Serving',
  delaying: 'About to drain',
  draining: 'Draining',
  cancelling: 'Stopping what still runs',
  closed: 'Closed'
}

/** @param {{ answer: Status }} props */
function State({ answer }) {
  useNow()
  const { phase, reason, since, deadline, activeTasks, draining, pod } = answer
  return html`<div class="panel drain ${draining ? 'draining' : ''}">
    <p class="phase">
      <span class="badge ${draining ? 'draining' : 'completed'}">${phases[phase]}</span>
      <span class="note">${pod}</span>
    </p>
    ${
      draining &&
      html`<dl class="facts">
        <div><dt>Reason</dt><dd>${reason}</dd></div>
        ${since && html`<div><dt>Since</dt><dd><${Ago} at=${since} /></dd></div>`}
        <div><dt>Time left</dt><dd><${Countdown} deadline=${deadline} /></dd></div>
        <div><dt>Left to finish</dt><dd>${activeTasks} ${activeTasks === 1 ? 'task' : 'tasks'}</dd></div>
      </dl>
      ${phase === 'draining' && activeTasks === 0 && html`<p><strong>Nothing is left: the process can be stopped without losing anything.</strong></p>`}`
    }
    <${Switch} answer=${answer} />
  </div>`
}

/** Drains, or takes it back. @param {{ answer: Status }} props */
function Switch({ answer: { draining, adminEnabled, shutdownTimeoutSeconds, pod } }) {
  const pods = useStore(podNames)
  if (!adminEnabled)
    return html`<p class="note">To drain from here the service needs an <code>ADMIN_TOKEN</code>.</p>`
  const several =
    pods.length > 1 &&
    html`<p class="problem">
      ${pods.length} processes answer at this address, and a load balancer decides which of them hears this. To drain a certain
      one, ask it directly, for example through <code>kubectl port-forward</code>.
    </p>`
  const run = async (/** @type {HTMLFormElement} */ form) => {
    const data = new FormData(form)
    const token = data.get('token')
    if (typeof token === 'string') setToken('admin', token.trim())
    const reason = String(data.get('reason') ?? '').trim()
    try {
      if (draining) await call('DELETE', 'admin/drain')
      else await call('POST', 'admin/drain', { body: reason ? { reason } : {} })
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) throw error
      setToken('admin', undefined)
      throw new Error('The service does not know this admin token')
    }
    await watchStatus()
    return draining ? `${pod} takes new tasks again` : `${pod} drains`
  }
  const askSwitch = () =>
    ask({
      title: draining ? 'Take new tasks again?' : 'Drain this process?',
      body: html`${several}
        <p>
          ${
            draining
              ? 'The process becomes ready again, and starts what waits.'
              : html`The process becomes unready, turns new tasks away and finishes what runs, without a deadline. It stays up: when it is
                  stopped, what still runs then has ${formatDuration(shutdownTimeoutSeconds)}.`
          }
        </p>
        ${!draining && html`<label for="reason">Reason, shown to other operators</label><input id="reason" name="reason" maxlength="200" autocomplete="off" />`}
        <${AdminToken} />`,
      action: draining ? 'Take new tasks' : 'Drain',
      danger: !draining,
      run
    })
  return html`<div class="buttons">
    <button class=${draining ? 'primary' : ''} onClick=${askSwitch}>${draining ? 'Take new tasks again…' : 'Drain…'}</button>
  </div>`
}

function AdminToken() {
  if (tokenOf('admin') !== undefined) return
  return html`<label for="admin-token">Admin token, kept for this tab only</label>
    <input id="admin-token" name="token" type="password" autocomplete="off" required />`
}

/** What a drain waits for. @param {{ answer: Status }} props */
function Holding({ answer }) {
  const types = useTaskTypes() ?? []
  const [list] = useLists({}, [{ status: 'running', limit: 100 }])
  if (!list) return
  const { tasks, loaded, nextCursor } = useStore(list.state)
  const fates = new Map(types.map(({ type, onShutdown }) => [type, onShutdown]))
  return html`<section>
    <div class="section-title">
      <h2 tabindex="-1">${answer.draining ? 'What it waits for' : 'What it would wait for'} <span class="count">${loaded ? `${tasks.length}${nextCursor ? '+' : ''}` : ''}</span></h2>
    </div>
    ${answer.shared && html`<p class="note">All that runs on this queue is listed; ${answer.activeTasks} of it ${answer.activeTasks === 1 ? 'runs' : 'run'} in ${answer.pod}, and a drain of that process waits for no other.</p>`}
    ${
      tasks.length === 0
        ? html`<p class="note">${loaded ? 'Nothing runs.' : 'Loading…'}</p>`
        : html`<table class="tasks">
            <caption class="unseen">Running tasks</caption>
            <thead>
              <tr><th scope="col">Task</th><th scope="col">Progress</th><th scope="col">Runs for</th><th scope="col">At the deadline</th></tr>
            </thead>
            <tbody>
              ${tasks.map(
                (task) => html`<tr key=${task.taskId} data-task=${task.taskId}>
                  <td class="cell-task"><${TaskLink} task=${task} /> <${Labels} labels=${task.labels} /></td>
                  <td class="cell-what"><${ProgressBar} progress=${task.progress} label=${`Progress of ${task.type}`} /></td>
                  <td class="cell-when"><${Elapsed} from=${task.startedAt ?? task.createdAt} /></td>
                  <td class="cell-fate">${fates.get(task.type) === 'requeue' ? 'requeued, to continue from its last checkpoint' : 'cancelled'}</td>
                </tr>`
              )}
            </tbody>
          </table>`
    }
    <${ListFooter} list=${list} />
  </section>`
}
