import { now, useNow } from '../core/clock.js'
import { linkTo } from '../core/route.js'
import { lost, status } from '../core/status.js'
import { useStore } from '../core/store.js'
import { html } from '../vendor/preact.js'
import { Icon } from './icons.js'
import { formatDuration } from './time.js'

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** What is to be known on every view, the gravest first; nothing while all is well. */
export function Banner() {
  const answer = useStore(status)
  const away = useStore(lost)
  const failing = Object.entries(answer?.checks ?? {}).filter(([, { ok }]) => !ok)
  return html`<div class="banners" role="status">
    ${
      away
        ? html`<p class="banner bad">
          <${Icon} name="offline" />
          <span><strong>The service cannot be reached</strong> since ${clock.format(away.since)}. ${away.detail}. What you see is from then; this page goes on by itself when it is back.</span>
        </p>`
        : html`${
            failing.length > 0 &&
            html`<p class="banner bad">
            <${Icon} name="warning" />
            <span><strong>The store does not answer.</strong> Tasks cannot be read or started until it does; running ones go on. ${failing.map(([, { detail }]) => detail).join('; ')}</span>
          </p>`
          }
        ${answer?.draining && html`<${Draining} answer=${answer} />`}
        ${answer?.status === 'starting' && html`<p class="banner">The service is starting.</p>`}`
    }
  </div>`
}

/** @param {{ answer: import('../core/status.js').Status }} props */
function Draining({ answer }) {
  const { phase, reason, activeTasks } = answer
  const left = activeTasks === 1 ? '1 task is left' : `${activeTasks} tasks are left`
  return html`<p class="banner warn">
    <${Icon} name="clock" />
    <span>
      <strong>${phase === 'delaying' ? 'About to drain' : 'Draining'}</strong> (${reason}):${' '}
      ${phase === 'delaying' ? 'new tasks are still taken.' : 'no new tasks are taken here.'} ${left}.
      ${' '}<${Countdown} deadline=${answer.deadline} /> <a href=${linkTo('drain')}>What is left</a>
    </span>
  </p>`
}

/** @param {{ deadline: string | null }} props */
export function Countdown({ deadline }) {
  useNow()
  if (deadline === null) return 'There is no deadline.'
  const seconds = (Date.parse(deadline) - now()) / 1000
  return seconds > 0 ? `${formatDuration(Math.floor(seconds))} until the deadline.` : 'The deadline is over.'
}
