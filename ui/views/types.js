import { call } from '../core/api.js'
import { linkTo } from '../core/route.js'
import { useTaskTypes } from '../core/task-types.js'
import { Prose } from '../parts/prose.js'
import { SchemaFields } from '../parts/schema-fields.js'
import { formatDuration } from '../parts/time.js'
import { CopyButton, Value } from '../parts/value.js'
import { html, useEffect, useState } from '../vendor/preact.js'

const againMs = 5_000

/**
 * @typedef {object} Figures
 * @property {number} started
 * @property {number} completed
 * @property {number} failed
 * @property {number} cancelled
 * @property {{ mean: number, p50: number, p95: number } | null} seconds
 */

export function TypesView() {
  const types = useTaskTypes()
  const [figures, setFigures] = useState(/** @type {Record<string, Figures>} */ ({}))
  useEffect(() => {
    const read = () => !document.hidden && call('GET', 'ui/types.json').then(setFigures, () => {})
    void read()
    const timer = setInterval(read, againMs)
    return () => clearInterval(timer)
  }, [])
  return html`<h1 tabindex="-1">Task types</h1>
    <p class="note">Figures are of the process that answers, since it started.</p>
    ${types?.map((type) => html`<${Type} key=${type.type} type=${type} figures=${figures[type.type]} />`) ?? html`<p class="note">Loading…</p>`}`
}

const isolations = {
  process: 'in a process of its own',
  thread: 'in a worker thread',
  inline: 'in the process of the service'
}

/** @param {{ type: import('../core/task-types.js').TaskType, figures: Figures | undefined }} props */
function Type({
  type: {
    type,
    description,
    inputSchema,
    outputSchema,
    isolation,
    onShutdown,
    onLost,
    timeoutSeconds,
    concurrency
  },
  figures
}) {
  return html`<section class="panel type" aria-labelledby=${`type-${type}`}>
    <div class="title-row">
      <h2 id=${`type-${type}`}>${type}</h2>
      <div class="actions">
        <a class="button" href=${linkTo('tasks', { type })}>Its tasks</a>
        <a class="button primary" href=${linkTo('start', { type })}>Start one</a>
      </div>
    </div>
    <p><${Prose} text=${description} /></p>
    <${TypeFigures} figures=${figures} />
    <dl class="facts">
      <div><dt>Runs</dt><dd>${isolations[isolation]}</dd></div>
      <div><dt>Time limit of an attempt</dt><dd>${formatDuration(timeoutSeconds)}</dd></div>
      <div><dt>At once</dt><dd>${concurrency ? `${concurrency} at most, everywhere` : 'as many as there are slots'}</dd></div>
      <div><dt>At the end of a drain</dt><dd>${onShutdown === 'requeue' ? 'requeued' : 'cancelled'}</dd></div>
      <div><dt>If the service is killed</dt><dd>${onLost === 'requeue' ? 'requeued' : 'failed'}</dd></div>
    </dl>
    <${Schema} title="Input" schema=${inputSchema} />
    ${outputSchema && html`<${Schema} title="Result" schema=${outputSchema} />`}
  </section>`
}

/** @param {{ figures: Figures | undefined }} props */
function TypeFigures({ figures }) {
  const { started = 0, completed = 0, failed = 0, cancelled = 0, seconds = null } = figures ?? {}
  const numbers = [
    ['started', started.toLocaleString()],
    ['completed', completed.toLocaleString()],
    ['failed', failed.toLocaleString()],
    ['cancelled', cancelled.toLocaleString()],
    ...(seconds
      ? [
          ['on average', formatDuration(seconds.mean)],
          ['half take up to', formatDuration(seconds.p50)],
          ['95 % take up to', formatDuration(seconds.p95)]
        ]
      : [])
  ]
  return html`<dl class="numbers">
    ${numbers.map(([word, value]) => html`<div key=${word} class=${word === 'failed' && failed > 0 ? 'bad' : ''}><dt>${word}</dt><dd>${value}</dd></div>`)}
  </dl>`
}

/** @param {{ title: string, schema: any }} props */
function Schema({ title, schema }) {
  return html`<h3>${title}</h3>
    <${SchemaFields} schema=${schema} />
    <details class="raw">
      <summary>The schema</summary>
      <${CopyButton} value=${schema} what="the schema" />
      <${Value} value=${schema} />
    </details>`
}
