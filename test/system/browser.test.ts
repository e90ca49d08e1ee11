import type { Browser } from 'playwright-core'
import t, { type Test } from 'tap'
import { startChromium } from '../chromium.ts'
import { needsCommand } from '../helper.ts'
import { taskFiles } from '../task-files.ts'
import { setUpService } from './service.ts'

t.setTimeout(120_000)

const skip = needsCommand('chromium')

const taskTypes = taskFiles('stepper')

async function startBrowser(t: Test): Promise<Browser> {
  const browser = await startChromium()
  t.teardown(() => browser.close())
  return browser
}

t.test("a browser's EventSource follows a task through a drain and a restart", { skip }, async (t) => {
  // The next process listens on the same port: a page cannot be told another one.
  const service = setUpService(t, taskTypes, { GRACEFUL_SHUTDOWN_TIMEOUT: '0' })
  let server = await service.start()
  const port = new URL(server.url).port
  const page = await (await startBrowser(t)).newPage()
  await page.goto(`${server.url}/healthz`)
  const taskId = await service.witness.start({ type: 'stepper', input: { steps: 30, stepMs: 60 } }, 'task')

  const followed = page.evaluate(
    (url) =>
      new Promise<{ ids: string[]; names: string[]; closed: boolean }>((resolve) => {
        const [ids, names]: [string[], string[]] = [[], []]
        const source = new EventSource(url)
        for (const name of ['task_started', 'progress_update', 'task_requeued', 'task_completed']) {
          source.addEventListener(name, (event) => {
            // Every event of an EventSource is a MessageEvent; its listeners are typed as if it were any.
            ids.push((event as MessageEvent).lastEventId)
            names.push(name)
          })
        }
        // Closed by the 204 that answers the reconnect after the final event.
        source.onerror = () => {
          if (source.readyState === EventSource.CLOSED) resolve({ ids, names, closed: true })
        }
      }),
    `/api/tasks/${taskId}/stream`
  )
  await service.witness.follow(taskId).seen(({ json }) => JSON.parse(json).data.value >= 0.3)
  server.child.kill('SIGTERM')
  t.equal((await server.exited)[0], 0)
  server = await service.start({ PORT: port })

  const { ids, names, closed } = await followed
  t.ok(closed, 'it ended for good, and only after the final event')
  t.strictSame(
    ids,
    Array.from(ids, (_, index) => String(index + 1)),
    'every event once, in order'
  )
  t.equal(names.at(-1), 'task_completed')
  t.ok(names.includes('task_requeued'))
  t.equal(names.filter((name) => name === 'task_started').length, 2)
})

t.test('the page at /docs reads the API out, without a word from elsewhere', { skip }, async (t) => {
  const server = await setUpService(t, taskTypes).start()
  const page = await (await startBrowser(t)).newPage()
  const errors: string[] = []
  const elsewhere: string[] = []
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith('data:'))
      elsewhere.push(request.url())
  })

  await page.goto(`${server.url}/docs`)
  await page.getByText('Start a task', { exact: true }).click()

  await page.getByText('Idempotency-Key', { exact: false }).first().waitFor()
  t.strictSame(errors, [])
  t.strictSame(elsewhere, [])
})
