/** The page: its header, what is to be known on every view, and the view that the address names. */
import { useRoute } from './core/route.js'
import { watchStatus } from './core/status.js'
import { useStore } from './core/store.js'
import { access } from './core/tokens.js'
import { Banner } from './parts/banner.js'
import { QuestionDialog } from './parts/dialog.js'
import { Header } from './parts/header.js'
import { Notices } from './parts/notices.js'
import { TokenForm } from './parts/token-form.js'
import { html, options, render, useEffect, useRef } from './vendor/preact.js'
import { DrainView } from './views/drain.js'
import { StartView } from './views/start.js'
import { TaskView } from './views/task.js'
import { TasksView } from './views/tasks.js'
import { TypesView } from './views/types.js'

// However much happens, nothing is drawn more than once a frame.
options.debounceRendering = requestAnimationFrame

const views = {
  tasks: { title: 'Tasks', View: TasksView },
  task: { title: 'Task', View: TaskView },
  start: { title: 'Start a task', View: StartView },
  drain: { title: 'Drain', View: DrainView },
  types: { title: 'Task types', View: TypesView }
}

function App() {
  const route = useRoute()
  const granted = useStore(access) === 'open'
  const known = Object.hasOwn(views, route.view) ? /** @type {keyof typeof views} */ (route.view) : 'tasks'
  const { title, View } = views[known]
  const place = `${known}/${route.id ?? ''}`
  const main = useRef(/** @type {HTMLElement | null} */ (null))
  const first = useRef(true)
  useEffect(() => {
    document.title = `${title} · lastcall`
    // A reader who followed a link goes on at the heading of where it led; not one who has just come.
    if (!first.current) main.current?.querySelector('h1')?.focus()
    first.current = false
  }, [place])
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Header} view=${known} />
    <${Banner} />
    <main id="main" ref=${main}>
      ${granted ? html`<${View} key=${place} route=${route} />` : html`<${TokenForm} />`}
    </main>
    <${QuestionDialog} />
    <${Notices} />`
}

/** The hash is the view's, so the browser cannot follow this link itself. */
function skip(/** @type {Event} */ event) {
  event.preventDefault()
  document.querySelector('h1')?.focus()
}

const root = /** @type {HTMLElement} */ (document.getElementById('app'))
root.replaceChildren()
render(html`<${App} />`, root)
void watchStatus()
