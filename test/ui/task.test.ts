import { heldTask, inlineType, startApp, urlOf } from '../helper.ts'
import { pageTest, pageTestOnBoth } from './browser.ts'

const inOneLine = (text: string) => text.replaceAll(/\s+/g, ' ')

pageTestOnBoth('the story of a task that failed three times', async (t, open, env) => {
  let count = 0
  const failing = inlineType({
    type: 'failing',
    attempts: 3,
    backoffSeconds: 0,
    run: () => {
      throw Object.assign(new Error(`attempt ${++count} went wrong`), { code: 'NO_SOLDER' })
    }
  })
  const app = await startApp(t, { env, types: [failing] })
  const payload = { type: 'failing', input: { reel: 7 }, labels: { line: 'a' } }
  const { taskId } = (await app.inject({ method: 'POST', url: '/api/tasks', payload })).json()
  const page = await open(urlOf(app), { hash: `#/task/${taskId}` })

  const attempts = page.getByRole('table', { name: 'Attempts' })
  for (const n of [1, 2, 3]) await attempts.getByText(`attempt ${n} went wrong`).waitFor()
  const timeline = page.locator('.timeline')
  t.strictSame((await timeline.locator('li > div').allInnerTexts()).map(inOneLine), [
    'Accepted',
    'Attempt 1 started',
    'Was requeued for another attempt NO_SOLDER attempt 1 went wrong',
    'Attempt 2 started',
    'Was requeued for another attempt NO_SOLDER attempt 2 went wrong',
    'Attempt 3 started',
    'Failed NO_SOLDER attempt 3 went wrong'
  ])
  await page.getByText('reel:').waitFor()
})

pageTestOnBoth('a running task is followed live, to its result', async (t, open, env) => {
  const held = heldTask()
  const app = await startApp(t, { env, types: [held.type] })
  const payload = { type: 'held', input: {} }
  const { taskId } = (await app.inject({ method: 'POST', url: '/api/tasks', payload })).json()
  const run = await held.started()
  const page = await open(urlOf(app), { hash: `#/task/${taskId}` })

  run.ctx.progress(0.5, 'half of it')
  await page.getByRole('log').getByText('half of it').waitFor()
  run.release({
    parts: [
      { name: 'R1', count: 2 },
      { name: 'R2', count: 3 }
    ],
    note: 'fine'
  })

  await page.getByRole('cell', { name: 'R2' }).waitFor()
  await page.locator('.timeline').getByText('Completed').waitFor()
})

pageTest('a task that is not there is said not to be', async (t, open) => {
  const app = await startApp(t)

  const page = await open(urlOf(app), {
    hash: '#/task/01890000-0000-7000-8000-000000000000',
    expected: /404/
  })

  await page.getByText('No such task').waitFor()
})

pageTest('a link that is no link is a page all the same', async (t, open) => {
  const app = await startApp(t)
  const page = await open(urlOf(app), { hash: '#/task/%', expected: /400/ })
  await page.getByRole('heading', { name: /^Task/ }).waitFor()
})
