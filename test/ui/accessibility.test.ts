import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { echo, ended, start } from '../api.ts'
import { heldTask, inlineType, startApp, startServer, urlOf } from '../helper.ts'
import { pageTest } from './browser.ts'

const failing = inlineType({
  type: 'failing',
  run: () => {
    throw Object.assign(new Error('no'), { code: 'NO' })
  }
})

/** What axe finds wrong, each with the elements it is about. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations, passes } = await page.evaluate<axe.AxeResults>('axe.run()')
  if (passes.length === 0) throw new Error('axe has looked at nothing')
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

for (const [colorScheme, width] of [
  ['light', 1280],
  ['dark', 360]
] as const)
  pageTest(`axe finds nothing in any view: ${colorScheme}, ${width} px wide`, async (t, open) => {
    const held = heldTask({ output: { type: 'object' } })
    const app = await startApp(t, { types: [held.type, echo, failing], env: { ADMIN_TOKEN: 'operator' } })
    await start(app, { type: 'held', input: {}, labels: { team: 'a' } })
    const run = await held.started()
    run.ctx.progress(0.4, 'four of ten')
    const done = await start(app, { type: 'echo', input: { rows: [{ a: 1 }, { a: 2 }], text: 'x' } })
    const failed = await start(app, { type: 'failing', input: {} })
    await ended(app, done)
    await ended(app, failed)

    for (const [hash, shown] of [
      ['#/', 'four of ten'],
      [`#/task/${done}`, 'echo'],
      [`#/task/${failed}`, 'NO'],
      ['#/start', 'Start'],
      ['#/drain', 'Serving'],
      ['#/types', 'held']
    ] as const) {
      const page = await open(urlOf(app), { hash, colorScheme, viewport: { width, height: 800 } })
      await page.getByText(shown).first().waitFor()
      t.strictSame(await findings(page), [], hash)
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
      t.ok(Number(overflow) <= 0, `${hash} is not wider than the window`)
      await page.close()
    }
    run.release({})
  })

for (const colorScheme of ['light', 'dark'] as const)
  pageTest(`axe finds nothing while the server is lost: ${colorScheme}`, async (t, open) => {
    const server = await startServer(t, { TASK_STORE_URL: `sqlite:${t.testdir({})}/tasks.db` })
    const page = await open(server.url, { colorScheme, expected: /./ })
    await page.getByRole('heading', { name: 'Tasks' }).waitFor()

    server.child.kill('SIGKILL')
    await page.getByText('The service cannot be reached').waitFor()

    t.strictSame(await findings(page), [])
  })

pageTest('nothing moves for whoever asked for less motion', async (t, open) => {
  const page = await open(urlOf(await startApp(t)))
  await page.getByText('Nothing here yet').waitFor()

  const moving = (await page.evaluate(`
    const rulesIn = (rules, media) => [...rules].flatMap((rule) =>
      rule.cssRules?.length > 0 ? rulesIn(rule.cssRules, rule.conditionText ?? media)
        : /transition|animation/.test(rule.cssText) ? [media] : [])
    ;[...document.styleSheets].flatMap(({ cssRules }) => rulesIn(cssRules, ''))
  `)) as string[]

  t.ok(moving.length > 0)
  t.strictSame(
    moving.filter((media) => media !== '(prefers-reduced-motion: no-preference)'),
    []
  )
})
