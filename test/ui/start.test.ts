import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { startApp, startServer, urlOf } from '../helper.ts'
import { pageTest, pageTestOnBoth } from './browser.ts'

const example = (name: string) => readFileSync(new URL(`../../examples/${name}`, import.meta.url))

/** Drops a file, as from a folder of the desktop, on the field of that name. */
async function drop(page: Page, field: string, name: string, bytes: Buffer) {
  const transfer = await page.evaluateHandle(
    `(() => {
      const bytes = Uint8Array.from(atob('${bytes.toString('base64')}'), (char) => char.charCodeAt(0))
      const transfer = new DataTransfer()
      transfer.items.add(new File([bytes], '${name}', { type: 'text/csv' }))
      return transfer
    })()`
  )
  const target = page.locator('.field', { has: page.locator(`label[for="field-${field}"]`) }).locator('.drop')
  for (const type of ['dragover', 'drop']) await target.dispatchEvent(type, { dataTransfer: transfer })
}

pageTestOnBoth(
  'a BOM is dropped, started and watched until its shopping list is there',
  async (t, open, env) => {
    // The real program, for the sources take long to load in a process of a task's own.
    const { url } = await startServer(t, env)
    const page = await open(url, { hash: '#/start?type=bom-coverage' })

    await drop(page, 'bom', 'bom.csv', example('bom.csv'))
    await page.getByText('bom.csv').waitFor()
    await drop(page, 'stock', 'stock.csv', example('stock.csv'))
    await page.getByLabel('boards').fill('10')
    await page.getByRole('button', { name: 'Start', exact: true }).click()

    await page.getByRole('heading', { name: /bom-coverage/ }).waitFor()
    const list = page.locator('details', { hasText: 'shopping list' })
    await list.getByRole('cell', { name: 'Temp sensor' }).waitFor()
    // The last progress is always told; those before it may come too soon after each other.
    await page.getByRole('log').getByText('Done').waitFor()
    const listed = (await (await fetch(`${url}/api/tasks`)).json()) as { tasks: { taskId: string }[] }
    const record = await fetch(`${url}/api/tasks/${listed.tasks[0]?.taskId}?include=input`)
    const { input } = (await record.json()) as { input: unknown }
    t.same(input, { bom: String(example('bom.csv')), stock: String(example('stock.csv')), boards: 10 })
  }
)

pageTest('a file that is no UTF-8 goes as its bytes', async (t, open) => {
  const app = await startApp(t)
  const page = await open(urlOf(app), { hash: '#/start?type=bom-coverage' })
  const bytes = Buffer.from('Reference,Value,Qty\nR1,4k7 \xb5,1\n', 'latin1')

  await drop(page, 'bom', 'old.csv', bytes)
  await page.getByText('sent as bytes').waitFor()
  await page.getByRole('button', { name: 'Start', exact: true }).click()

  await page.getByRole('heading', { name: /bom-coverage/ }).waitFor()
  const [task] = (await app.inject('/api/tasks')).json().tasks
  const { input } = (await app.inject(`/api/tasks/${task.taskId}?include=input`)).json()
  t.same(input, { bomBase64: bytes.toString('base64'), boards: 1 })
})

pageTest('what the service refuses is said at its field, which gets the focus', async (t, open) => {
  const app = await startApp(t)
  const page = await open(urlOf(app), { hash: '#/start?type=link-check', expected: /400/ })

  await page.getByLabel('urls').fill('https://example.org\nnot a link')
  await page.getByRole('button', { name: 'Start', exact: true }).click()

  const field = page.getByLabel('urls')
  await page.locator('.field', { has: field }).getByRole('alert').getByText('must match pattern').waitFor()
  t.equal(await field.getAttribute('aria-invalid'), 'true')
  t.equal(await page.locator(':focus').getAttribute('name'), 'input.urls')
  t.equal((await app.inject('/api/tasks')).json().tasks.length, 0)
})

pageTest('priority, labels and a time go with it', async (t, open) => {
  const app = await startApp(t)
  const page = await open(urlOf(app), { hash: '#/start?type=demo' })

  // A time without a zone is one in the reader's own.
  const soon = new Date(Date.now() + 86_400_000).toISOString().slice(0, 19)
  await page.getByLabel('seconds').fill('5')
  await page.getByText('Priority, labels, time').click()
  await page.getByLabel('Priority', { exact: false }).fill('7')
  await page.getByLabel('Labels').fill('customer: acme\nbatch:7')
  await page.getByLabel('Run at').fill(soon)
  await page.getByRole('button', { name: 'Start', exact: true }).click()

  await page.getByText('Due later').first().waitFor()
  const [task] = (await app.inject('/api/tasks')).json().tasks
  t.match(task, { priority: 7, labels: { customer: 'acme', batch: '7' } })
  t.equal(Date.parse(task.runAt), await page.evaluate(`Date.parse('${soon}')`))
})

pageTest('a task is started and run again where the page came by plain HTTP', async (t, open) => {
  const app = await startApp(t)
  const page = await open(urlOf(app), { hash: '#/start?type=demo' })
  // Browsers have it on localhost and with HTTPS only.
  await page.evaluate('delete Crypto.prototype.randomUUID')

  await page.getByLabel('seconds').fill('1')
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  await page.getByRole('button', { name: /^Run again/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Run it again' }).click()
  await page.getByText(/^Started again/).waitFor()
  t.equal((await app.inject('/api/tasks')).json().tasks.length, 2)
})
