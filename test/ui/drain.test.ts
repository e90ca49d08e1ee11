import { heldTask, startApp, startServer, urlOf } from '../helper.ts'
import { taskFiles } from '../task-files.ts'
import { pageTest, pageTestOnBoth } from './browser.ts'

pageTestOnBoth('a drain by hand and back, with what it waits for', async (t, open, env) => {
  const held = heldTask({ onShutdown: 'requeue' })
  const app = await startApp(t, { env: { ...env, ADMIN_TOKEN: 'operator' }, types: [held.type] })
  await app.inject({ method: 'POST', url: '/api/tasks', payload: { type: 'held', input: {} } })
  const run = await held.started()
  const page = await open(urlOf(app), { hash: '#/drain' })

  await page.getByRole('button', { name: 'Drain…' }).click()
  await page.getByLabel('Reason', { exact: false }).fill('new disk')
  await page.getByLabel('Admin token', { exact: false }).fill('operator')
  await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click()

  await page.getByText('(new disk)', { exact: false }).waitFor()
  await page.getByText('1 task is left', { exact: false }).waitFor()
  const row = page.getByRole('table', { name: 'Running tasks' }).getByRole('row', { name: /held/ })
  await row.getByText('requeued', { exact: false }).waitFor()
  t.equal(app.shutdown.reason, 'new disk')
  for (const view of ['Tasks', 'Start', 'Types']) {
    await page.getByRole('navigation').getByRole('link', { name: view }).click()
    await page.getByText('no new tasks are taken here', { exact: false }).waitFor()
  }

  await page.getByRole('navigation').getByRole('link', { name: 'Drain' }).click()
  run.release()
  await page.getByText('Nothing is left', { exact: false }).waitFor()
  await page.getByRole('button', { name: 'Take new tasks again…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Take new tasks' }).click()
  await page.getByText('Serving').waitFor()
  t.equal(app.shutdown.isDraining(), false)
})

pageTest(
  'a shutdown counts down to its deadline, and says what will become of what runs',
  async (t, open) => {
    const server = await startServer(t, {
      TASKS_DIR: t.testdir(taskFiles('hold')),
      TASK_STORE_URL: 'sqlite::memory:',
      GRACEFUL_SHUTDOWN_TIMEOUT: '30'
    })
    const page = await open(server.url, { hash: '#/drain', expected: /./ })
    await fetch(`${server.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"type":"hold","input":{}}'
    })
    await page.getByRole('row', { name: /hold/ }).waitFor()

    server.child.kill('SIGTERM')

    await page.getByText('SIGTERM', { exact: false }).first().waitFor()
    const left = page.locator('dt', { hasText: 'Time left' }).locator('xpath=following-sibling::dd')
    const first = await left.innerText()
    await left.filter({ hasNotText: first }).waitFor()
    const [before, after] = [first, await left.innerText()].map((text) => Number.parseInt(text, 10))
    t.ok(
      Number(before) <= 30 && Number(after) < Number(before) && Number(after) > 0,
      `${before} s, ${after} s`
    )
    await page.getByRole('row', { name: /hold/ }).getByText('requeued', { exact: false }).waitFor()
  }
)

pageTest('a wrong admin token is said to be one, and can be given again', async (t, open) => {
  const app = await startApp(t, { env: { ADMIN_TOKEN: 'operator' } })
  const page = await open(urlOf(app), { hash: '#/drain', expected: /401/ })

  await page.getByRole('button', { name: 'Drain…' }).click()
  await page.getByLabel('Admin token', { exact: false }).fill('wrong')
  await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click()
  await page.getByRole('alert').getByText('does not know this admin token', { exact: false }).waitFor()
  await page.getByLabel('Admin token', { exact: false }).fill('operator')
  await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click()

  await page.getByText('Nothing is left', { exact: false }).waitFor()
})

pageTest('without ADMIN_TOKEN the page says what a drain from here needs', async (t, open) => {
  const app = await startApp(t)
  const page = await open(urlOf(app), { hash: '#/drain' })

  await page.getByText('the service needs an', { exact: false }).waitFor()
  t.equal(await page.getByRole('button', { name: 'Drain…' }).count(), 0)
})
