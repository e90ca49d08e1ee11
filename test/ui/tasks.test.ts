import type { Page } from 'playwright-core'
import { echo, ended, start } from '../api.ts'
import { heldTask, inlineType, startApp, urlOf } from '../helper.ts'
import { pageTest, pageTestOnBoth } from './browser.ts'

const failing = inlineType({
  type: 'failing',
  run: () => {
    throw Object.assign(new Error('out of solder'), { code: 'NO_SOLDER' })
  }
})

const table = (page: Page, name: string) => page.getByRole('table', { name })
const confirm = (page: Page, action: string) =>
  page.getByRole('dialog').getByRole('button', { name: action }).click()

pageTestOnBoth('a task shows up as it starts, moves on, and says how it ended', async (t, open, env) => {
  const held = heldTask()
  const app = await startApp(t, { env, types: [held.type] })
  const page = await open(urlOf(app))
  await page.getByText('Nothing here yet').waitFor()

  await app.inject({ method: 'POST', url: '/api/tasks', payload: { type: 'held', input: {} } })
  const run = await held.started()
  await table(page, 'Running').getByText('held').waitFor()
  run.ctx.progress(0.42, 'nearly half')
  await table(page, 'Running').getByText('42 %').waitFor()
  await table(page, 'Running').getByText('nearly half').waitFor()
  run.fail(Object.assign(new Error('out of solder'), { code: 'NO_SOLDER' }))

  await table(page, 'Failed').getByText('NO_SOLDER').waitFor()
  await table(page, 'Failed').getByText('out of solder').waitFor()
  await table(page, 'Running').waitFor({ state: 'detached' })
})

pageTestOnBoth('one that runs is cancelled after a word of confirmation', async (t, open, env) => {
  const held = heldTask()
  const app = await startApp(t, { env, types: [held.type] })
  await app.inject({ method: 'POST', url: '/api/tasks', payload: { type: 'held', input: {} } })
  await held.started()
  const page = await open(urlOf(app))

  await page.getByRole('button', { name: /^Cancel held/ }).click()
  await confirm(page, 'Go back')
  await table(page, 'Running').getByText('held').waitFor()
  await page.getByRole('button', { name: /^Cancel held/ }).click()
  await confirm(page, 'Cancel the task')

  await table(page, 'Cancelled').getByText('by a client').waitFor()
})

pageTestOnBoth('one that failed is run again, as a task of its own', async (t, open, env) => {
  const app = await startApp(t, { env, types: [failing] })
  await app.inject({ method: 'POST', url: '/api/tasks', payload: { type: 'failing', input: { n: 1 } } })
  const page = await open(urlOf(app))

  await page.getByRole('button', { name: /^Run again failing/ }).click()
  await confirm(page, 'Run it again')

  await page.getByText('Repeats').waitFor()
  await page.getByText('out of solder').first().waitFor()
})

pageTestOnBoth(
  'all with a label are cancelled, after their number was said, and no other',
  async (t, open, env) => {
    const held = heldTask()
    const app = await startApp(t, { env: { ...env, MAX_WORKERS: '1' }, types: [held.type] })
    const start = (labels: Record<string, string>) => ({ type: 'held', input: {}, labels })
    const tasks = [
      ...Array.from({ length: 203 }, () => start({ customer: 'acme' })),
      ...Array.from({ length: 3 }, () => start({ customer: 'else' }))
    ]
    await app.inject({ method: 'POST', url: '/api/tasks/batch', payload: { tasks } })
    await held.started()
    const page = await open(urlOf(app))

    await page.getByLabel('Label, key:value').fill('customer:acme')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Remove the label customer:acme' }).waitFor()
    t.match(page.url(), /#\/tasks\?label=customer%3Aacme$/, 'the filter is in the address')
    await page.getByRole('button', { name: 'Cancel all' }).click()
    await page.getByText('203 tasks match', { exact: false }).waitFor()
    await confirm(page, 'Cancel all')

    await page.getByText('Cancelled 203 tasks').waitFor()
    const { tasks: left } = (await app.inject('/api/tasks?label=customer:else')).json()
    t.equal(left.filter(({ status }: { status: string }) => status !== 'cancelled').length, 3)
  }
)

pageTestOnBoth('an address with a filter shows what matches it alone', async (t, open, env) => {
  const app = await startApp(t, {
    env,
    types: [failing, inlineType({ type: 'echo', run: (input) => input })]
  })
  for (const type of ['failing', 'echo', 'echo'])
    await app.inject({ method: 'POST', url: '/api/tasks', payload: { type, input: 1 } })

  const page = await open(urlOf(app), { hash: '#/tasks?status=completed&type=echo' })

  await table(page, 'Completed').getByText('echo').nth(1).waitFor()
  t.equal(await page.getByRole('button', { name: 'Completed' }).getAttribute('aria-pressed'), 'true')
  t.equal(await page.getByLabel('Task type').inputValue(), 'echo')
  t.equal(await page.getByRole('table').count(), 1)
})

pageTestOnBoth('an action that is refused says why, and leaves the page as it was', async (t, open, env) => {
  const app = await startApp(t, { env, types: [failing] })
  const payload = { type: 'failing', input: 1 }
  const { taskId, statusUrl } = (await app.inject({ method: 'POST', url: '/api/tasks', payload })).json()
  await app.inject(`${statusUrl}?wait=20`)
  const page = await open(urlOf(app), { expected: /404/ })
  await page.getByRole('button', { name: /^Delete failing/ }).click()
  await app.inject({ method: 'DELETE', url: statusUrl })

  await confirm(page, 'Delete the task')

  await page.getByRole('dialog').getByRole('alert').getByText(taskId, { exact: false }).waitFor()
  await confirm(page, 'Go back')
})

pageTest('older pages have each task once, while new ones are started', async (t, open) => {
  const app = await startApp(t, { env: { MAX_WORKERS: '4' }, types: [echo] })
  const taskIds: string[] = []
  for (let n = 0; n < 120; n++) taskIds.unshift(await start(app, { type: 'echo', input: n }))
  for (const taskId of taskIds) await ended(app, taskId)
  const page = await open(urlOf(app), { hash: '#/tasks?status=completed' })
  const rows = page.locator('tr[data-task]')
  await rows.nth(49).waitFor()

  for (const shown of [100, 120]) {
    await ended(app, await start(app, { type: 'echo', input: 'new' }))
    await page.getByRole('button', { name: 'Load older tasks' }).click()
    await rows.nth(shown - 1).waitFor()
  }

  const shown = await rows.evaluateAll((all) => all.map((row) => row.getAttribute('data-task')))
  t.equal(new Set(shown).size, shown.length, 'none twice')
  t.strictSame(
    shown.filter((taskId) => taskIds.includes(taskId ?? '')),
    taskIds,
    'none is missing'
  )
})
