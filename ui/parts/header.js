import { podNames, steps } from '../core/history.js'
import { connected } from '../core/live.js'
import { linkTo } from '../core/route.js'
import { lost, status } from '../core/status.js'
import { useStore } from '../core/store.js'
import { html } from '../vendor/preact.js'
import { HistoryPlot } from './history-plot.js'
import { exactTimes, showExactTimes } from './time.js'

const tabs = [
  ['tasks', 'Tasks'],
  ['start', 'Start'],
  ['drain', 'Drain'],
  ['types', 'Types']
]

/** @param {{ view: string }} props */
export function Header({ view }) {
  const current = view === 'task' ? 'tasks' : view
  const exact = useStore(exactTimes)
  return html`<header class="top">
    <div class="bar">
      <a class="name" href=${linkTo('tasks')}>lastcall</a>
      <nav aria-label="Views">
        ${tabs.map(
          ([name = '', word]) =>
            html`<a href=${linkTo(name)} aria-current=${name === current ? 'page' : undefined}>${word}</a>`
        )}
      </nav>
      <${Connection} />
      <button
        class="quiet times"
        aria-pressed=${String(exact)}
        title="Show times as they are, not as what has passed since"
        onClick=${() => showExactTimes(!exact)}
      >
        Exact times
      </button>
      <${Pod} />
    </div>
    <div class="figures">
      <${Totals} />
      <${HistoryPlot} />
    </div>
  </header>`
}

function Pod() {
  const answer = useStore(status)
  const pods = useStore(podNames)
  if (!answer) return
  const title =
    pods.length > 1 ? `${pods.length} pods answer here: ${pods.join(', ')}` : 'The process that answers'
  return html`<span class="pod" title=${title}>
    ${answer.pod}${pods.length > 1 ? ` and ${pods.length - 1} more` : ''}, version ${answer.version}
  </span>`
}

/** Whether what is on the page is true now. */
function Connection() {
  const answer = useStore(status)
  const isLost = useStore(lost) !== undefined
  const changes = useStore(connected)
  const [state, word] = isLost
    ? ['lost', 'Lost']
    : !answer
      ? ['waiting', 'Connecting']
      : changes === false
        ? ['waiting', 'Catching up']
        : ['live', 'Live']
  return html`<span class="connection ${state}"><span class="dot"></span>${word}</span>`
}

function Totals() {
  const answer = useStore(status)
  const history = useStore(steps)
  const isLost = useStore(lost) !== undefined
  const sum = (/** @type {'finished' | 'failed'} */ name) =>
    history.reduce((total, step) => total + step[name], 0)
  const failed = sum('failed')
  const count = (/** @type {number | null | undefined} */ value) => (value ?? '–').toLocaleString()
  const totals = [
    {
      word: answer?.shared ? 'Running here' : 'Running',
      value: count(answer?.activeTasks),
      of: answer && `of ${answer.maxWorkers}`,
      to: linkTo('tasks', { status: 'running' })
    },
    { word: 'Waiting', value: count(answer?.pendingTasks), to: linkTo('tasks', { status: 'pending' }) },
    { word: 'Due later', value: count(answer?.scheduledTasks), to: linkTo('tasks', { status: 'pending' }) },
    {
      word: 'Finished',
      value: count(answer && sum('finished')),
      of: 'in 30 min',
      to: linkTo('tasks', { status: 'completed' })
    },
    {
      word: 'Failed',
      value: count(answer && failed),
      of: 'in 30 min',
      to: linkTo('tasks', { status: 'failed' }),
      bad: failed > 0
    }
  ]
  return html`<ul class="totals ${isLost ? 'stale' : ''}" aria-label="Totals">
    ${totals.map(
      ({ word, value, of, to, bad }) => html`<li key=${word} class=${bad ? 'bad' : ''}>
        <a href=${to}><span class="word">${word}</span> <span class="value">${value}</span> <span class="of">${of}</span></a>
      </li>`
    )}
  </ul>`
}
