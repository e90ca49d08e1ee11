import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startChromium } from '../chromium.ts'
import { needsCommand, startServer } from '../helper.ts'
import { emptyFolder, installPacked } from '../pack.ts'
import { freePort } from '../redis.ts'

t.setTimeout(120_000)

const skip = needsCommand('chromium')
const example = new URL('../../examples/follow.html', import.meta.url)

// Nothing is packed for nobody.
const dir = skip ? '' : await emptyFolder(t)
if (!skip) await installPacked(dir, 'client')

/** A page of another origin with the packed client, and a service that lets it call. */
async function setUp(t: Test, settings: Record<string, string> = {}) {
  const servicePort = await freePort()
  const service = `http://127.0.0.1:${servicePort}`
  const html = (await readFile(example, 'utf8')).replace('http://localhost:3000', service)
  const pages = createServer(async ({ url = '/' }, response) => {
    const isScript = url.endsWith('.js')
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? await readFile(join(dir, url)) : html)
  })
  const pagesPort = await freePort()
  await new Promise<void>((resolve) => pages.listen(pagesPort, '127.0.0.1', resolve))
  t.teardown(() => pages.close())
  const origin = `http://127.0.0.1:${pagesPort}`
  const env = {
    TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db`,
    PORT: String(servicePort),
    CORS_ORIGINS: origin,
    GRACEFUL_SHUTDOWN_TIMEOUT: '0',
    ...settings
  }
  const start = (more: Record<string, string> = {}) => startServer(t, { ...env, ...more })
  const browser = await startChromium()
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  const server = await start()
  await page.goto(origin)
  return { page, server, start, service }
}

t.test('the page of examples/ follows a task through a restart', { skip }, async (t) => {
  const { page, server, start } = await setUp(t)
  await page.getByRole('button').click()
  await page.waitForFunction('document.querySelector("progress").value > 0.3')

  server.child.kill('SIGTERM')
  await server.exited
  await start()

  await page.waitForFunction('document.querySelector("output").textContent.includes("completed")')
  t.equal(
    await page.locator('output').textContent(),
    'task_started task_requeued task_started task_completed '
  )
})

interface Outcome {
  byToken: string[]
  byTicket: string[]
  waited: object
  tickets: number
}

/** What the page does; as text, because it is compiled for Node else. */
const callsOfPage = (service: string) => `(async () => {
  const { LastcallClient } = await import('/node_modules/lastcall-client/dist/client.js')
  const tokens = ['old-token', 'new-token']
  const client = new LastcallClient({ baseUrl: '${service}', token: () => tokens.shift() })
  const withoutToken = new LastcallClient({ baseUrl: '${service}' })
  const { taskId, streamUrl } = await client.start({ type: 'demo', input: { seconds: 5 } })
  const waited = client.wait(taskId)
  let tickets = 0
  // The first one has expired when the service is back.
  const getStreamUrl = async () => {
    if (tickets++ === 0) return streamUrl
    const headers = { authorization: 'Bearer new-token' }
    const url = '${service}/api/tasks/' + taskId + '/stream-ticket'
    return (await (await fetch(url, { method: 'POST', headers })).json()).streamUrl
  }
  const follow = async (events) => {
    const seen = []
    for await (const { id, type } of events) {
      seen.push(id + ' ' + type)
      if (seen.length > 8) document.title = 'halfway'
    }
    return seen
  }
  const [byToken, byTicket] = await Promise.all([
    follow(client.follow(taskId)),
    follow(withoutToken.follow(taskId, { streamUrl: getStreamUrl }))
  ])
  return { byToken, byTicket, waited: await waited, tickets }
})()`

t.test("a page's calls survive a kill, a new token and an expired ticket", { skip }, async (t) => {
  const { page, server, start, service } = await setUp(t, { API_TOKENS: 'old-token', TICKET_TTL: '1' })

  const outcome = page.evaluate<Outcome>(callsOfPage(service))
  await page.waitForFunction('document.title === "halfway"')
  server.child.kill('SIGKILL')
  await server.exited
  await start({ API_TOKENS: 'new-token' })

  const { byToken, byTicket, waited, tickets } = await outcome
  t.strictSame(byToken, byTicket)
  t.strictSame(
    byToken.map((event) => event.split(' ')[0]),
    Array.from(byToken, (_, index) => String(index + 1)),
    'every event once, in order'
  )
  t.match(byToken.at(-1), /task_completed/)
  t.ok(byToken.some((event) => event.includes('task_requeued')))
  t.match(waited, { status: 'completed' })
  t.equal(tickets, 2)
})
