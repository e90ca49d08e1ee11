import type { Locator } from 'playwright-core'
import t from 'tap'
import { startChromium } from '../chromium.ts'
import { needsCommand, startApp, urlOf } from '../helper.ts'

t.setTimeout(120_000)

const skip = needsCommand('chromium')

t.test('/docs tries requests with the tokens it was given, and shows the streams', { skip }, async (t) => {
  const app = await startApp(t, { env: { API_TOKENS: 'shop:secret', ADMIN_TOKEN: 'operator' } })
  const browser = await startChromium()
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    if (!request.url().startsWith(urlOf(app)) && !request.url().startsWith('data:'))
      complaints.push(request.url())
  })
  await page.goto(`${urlOf(app)}/docs`)
  const operation = (method: string, path: string): Locator =>
    page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) })
  const tryOut = async (method: string, path: string): Promise<Locator> => {
    const block = operation(method, path)
    await block.locator('.opblock-summary').click()
    await block.getByRole('button', { name: 'Try it out' }).click()
    await block.getByRole('button', { name: 'Execute' }).click()
    return block.locator('.live-responses-table tbody .response-col_status').first()
  }

  t.match(await (await tryOut('get', '/api/task-types')).innerText(), /^401/, 'without a token')

  await page.getByRole('button', { name: 'Authorize' }).first().click()
  for (const [scheme, token] of [
    ['apiToken', 'secret'],
    ['adminToken', 'operator']
  ] as const) {
    const form = page.locator('.auth-container', { hasText: scheme })
    await form.locator('input').fill(token)
    await form.locator('.authorize').click()
  }
  await page.locator('.modal-ux .close-modal').click()

  t.match(await (await tryOut('post', '/api/tasks')).innerText(), /^202/, 'a task is started by its example')
  t.match(await (await tryOut('get', '/admin/drain')).innerText(), /^200/)
  for (const path of ['/api/tasks/{taskId}/stream', '/api/events']) {
    const stream = operation('get', path)
    await stream.locator('.opblock-summary').click()
    const type = stream.locator('.responses-table option[value="text/event-stream"]').first()
    await type.waitFor({ state: 'attached' })
  }
  t.strictSame(complaints, [])
})
