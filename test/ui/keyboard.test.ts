import type { Page } from 'playwright-core'
import { echo, ended, start } from '../api.ts'
import { heldTask, startApp, urlOf } from '../helper.ts'
import { pageTest } from './browser.ts'

/** What has the focus, by its name. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(
    'document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim()'
  )

/** Presses Tab until something of that name has the focus. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let presses = 0; presses < 100; presses++) {
    await page.keyboard.press('Tab')
    if (name.test(await focused(page))) return
  }
  throw new Error(`Tab does not reach ${name}`)
}

pageTest('a task is looked at, and cancelled, by the keyboard alone', async (t, open) => {
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  await start(app, { type: 'held', input: {} })
  await held.started()
  const page = await open(urlOf(app))
  await page.getByRole('table', { name: 'Running' }).waitFor()

  await tabTo(page, /^Cancel held/)
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  t.match(await focused(page), /^Cancel held/, 'the focus is back where it was')
  t.ok(await page.getByRole('table', { name: 'Running' }).isVisible(), 'nothing was done')

  await page.keyboard.press('Enter')
  await page.getByRole('dialog').waitFor()
  await tabTo(page, /^Cancel the task$/)
  t.ok(
    await page.evaluate('document.activeElement.closest("dialog") !== null'),
    'the focus stays in the dialog'
  )
  await page.keyboard.press('Enter')
  await page.getByRole('table', { name: 'Cancelled' }).waitFor()

  await tabTo(page, /^held/)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'held' }).waitFor()
  t.match(page.url(), /#\/task\//)
})

pageTest('the focus stays while rows come and go, and moves on when its own goes', async (t, open) => {
  const held = heldTask()
  const app = await startApp(t, { env: { MAX_WORKERS: '4' }, types: [held.type, echo] })
  await start(app, { type: 'held', input: {} })
  const first = await held.started(0)
  const page = await open(urlOf(app))
  const running = page.getByRole('table', { name: 'Running' })
  const cancel = running.getByRole('button', { name: /^Cancel held/ })
  await cancel.focus()
  const label = await focused(page)

  for (let n = 1; n <= 2; n++) {
    await start(app, { type: 'held', input: {} })
    await held.started(n)
    first.ctx.progress(n / 4)
  }
  await cancel.nth(2).waitFor()
  await ended(app, await start(app, { type: 'echo', input: {} }))
  await page.getByRole('table', { name: 'Completed' }).getByText('echo').waitFor()
  t.equal(await focused(page), label)

  first.release()
  await cancel.nth(2).waitFor({ state: 'detached' })
  t.ok(
    await page.evaluate('document.activeElement.closest("tr[data-task]") !== null'),
    'a row of the same table has it'
  )
})
