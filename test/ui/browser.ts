/** The operators' page in a real browser. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { startChromium } from '../chromium.ts'
import { engines } from '../engines.ts'
import { needsCommand } from '../helper.ts'

// What a page may take to show something, on a machine that is busy with other tests.
const shownWithinMs = 20_000

const reportViolations = `document.addEventListener('securitypolicyviolation', (event) =>
  console.error('Violates ' + event.violatedDirective + ': ' + event.blockedURI))`

const skip = needsCommand('chromium')

let browser: Promise<Browser> | undefined
t.teardown(async () => (await browser)?.close())

interface OpenOptions extends BrowserContextOptions {
  /** Where in the page, such as `#/drain`. */
  hash?: string
  /** What a test brings about itself. */
  expected?: RegExp
}
type Open = (url: string, options?: OpenOptions) => Promise<Page>

/**
 * A test that opens the page of a service. At its end no page may have asked anybody else, logged an error, or broken a
 * rule of its Content-Security-Policy.
 */
export function pageTest(
  name: string,
  run: (t: Test, open: Open) => Promise<unknown>,
  unlessMissing: string | false = false
): void {
  t.test(name, { skip: skip || unlessMissing, timeout: 120_000 }, async (t) => {
    browser ??= startChromium()
    const launched = await browser
    const complaints: string[] = []
    const open: Open = async (url, { hash = '', expected, ...options } = {}) => {
      const context = await launched.newContext(options)
      t.teardown(() => context.close())
      const page = await context.newPage()
      page.setDefaultTimeout(shownWithinMs)
      const complain = (text: string) => expected?.test(text) || complaints.push(text)
      page.on('pageerror', (error) => complain(error.stack ?? String(error)))
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complain(message.text())
      })
      page.on('request', (request) => {
        if (!request.url().startsWith(url)) complain(`asked ${request.url()}`)
      })
      await page.addInitScript({ content: reportViolations })
      await page.goto(`${url}/ui/${hash}`)
      return page
    }
    await run(t, open)
    t.strictSame(complaints, [], 'the browser has nothing to complain of')
  })
}

/** The same on both engines; `store` is the settings of one. */
export function pageTestOnBoth(
  name: string,
  run: (t: Test, open: Open, store: Record<string, string>) => Promise<unknown>
): void {
  for (const { engine, skip, storeFor } of engines)
    pageTest(`${name} (${engine})`, async (t, open) => run(t, open, await storeFor(t)), skip)
}
