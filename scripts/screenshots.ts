/** Pictures of the operators' page: all of them in screenshots/, the tour's, smaller, in docs/images/. Needs Chromium. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startChromium } from '../test/chromium.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'screenshots-'))
const [all, tour] = [`${root}screenshots`, `${root}docs/images`]
for (const folder of [all, tour]) mkdirSync(folder, { recursive: true })

const types = join(dir, 'types')
mkdirSync(types)
writeFileSync(
  join(types, 'label-print.mjs'),
  `export default {
    type: 'label-print', description: 'Prints labels for a shelf.', attempts: 3, isolation: 'inline',
    input: { type: 'object', properties: { shelf: { type: 'string' } }, required: ['shelf'], additionalProperties: false },
    run: () => { throw Object.assign(new Error('The printer on shelf B is out of paper'), { code: 'PRINTER_EMPTY' }) }
  }`
)

/** The built service on a store of that name; `url` is where it listens. */
async function startService(store: string) {
  const child = spawn('node', [`${root}dist/src/server.js`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      PORT: '0',
      TASK_STORE_URL: `sqlite:${join(dir, store)}.db`,
      TASKS_DIR: types,
      ADMIN_TOKEN: 'operator',
      MAX_PENDING: '1000000'
    }
  })
  let url = ''
  for await (const line of createInterface({ input: child.stdout })) {
    const { api = '' }: { api?: string } = JSON.parse(line)
    url = api.replace('localhost', '127.0.0.1').replace(/\/api$/, '')
    if (url !== '') break
  }
  child.stdout.resume()
  const send = async (method: string, path: string, body: object, headers = {}) => {
    const response = await fetch(url + path, {
      method,
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers }
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response.json() as Promise<{ taskId: string }> // where it is one task that was started
  }
  const start = async (task: object): Promise<string> => (await send('POST', '/api/tasks', task)).taskId
  return { child, url, send, start, ended: (id: string) => fetch(`${url}/api/tasks/${id}?wait=60`) }
}

const browser = await startChromium()

/** Opens a view and takes a picture once `shown` is there and what comes in is drawn. */
async function picture(
  name: string,
  url: string,
  shown: string,
  look: Parameters<typeof browser.newContext>[0],
  path = all,
  before = async () => {}
) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...look })
  const page = await context.newPage()
  await page.goto(url)
  await page.getByText(shown).first().waitFor()
  await before()
  await page.waitForTimeout(1500)
  await page.screenshot({ path: join(path, `${name}.png`) })
  await context.close()
}

const looks = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 800 } }
} as const
/** For the tour; high enough to show what its text speaks of. */
const small = { viewport: { width: 1000, height: 800 }, colorScheme: 'light' } as const

try {
  const empty = await startService('empty')
  await picture('empty', `${empty.url}/ui/`, 'Tasks', looks.light)
  empty.child.kill()

  const service = await startService('busy')
  const example = (name: string) => readFileSync(`${root}examples/${name}.csv`, 'utf8')
  const bom = await service.start({
    type: 'bom-coverage',
    input: { bom: example('bom'), stock: example('stock'), boards: 10 },
    labels: { board: 'sensor-hub' }
  })
  const failed = await service.start({ type: 'label-print', input: { shelf: 'B' }, labels: { shelf: 'b' } })
  await Promise.all([service.ended(bom), service.ended(failed)])
  for (let n = 1; n <= 6; n++)
    await service.start({
      type: 'demo',
      input: { seconds: 60 * n },
      labels: { team: n % 2 ? 'north' : 'south' }
    })
  await service.start({ type: 'demo', input: { seconds: 5 }, delaySeconds: 7200, labels: { team: 'night' } })

  const views = {
    tasks: ['#/', 'Running'],
    task: [`#/task/${bom}`, 'shopping list'],
    'failed-task': [`#/task/${failed}`, 'PRINTER_EMPTY'],
    start: ['#/start?type=bom-coverage', 'boards'],
    drain: ['#/drain', 'Serving'],
    types: ['#/types', 'label-print']
  } as const
  for (const [view, [hash, shown]] of Object.entries(views)) {
    for (const [look, options] of Object.entries(looks))
      await picture(`${view}-${look}`, `${service.url}/ui/${hash}`, shown, options)
    if (view in { tasks: 1, task: 1, 'failed-task': 1 })
      await picture(view, `${service.url}/ui/${hash}`, shown, small, tour)
  }
  await service.send('POST', '/admin/drain', { reason: 'new disk' }, { authorization: 'Bearer operator' })
  for (const [look, options] of Object.entries(looks))
    await picture(`draining-${look}`, `${service.url}/ui/#/drain`, '(new disk)', options)
  await picture('draining', `${service.url}/ui/#/drain`, '(new disk)', small, tour)
  await picture('lost', `${service.url}/ui/`, 'Running', looks.light, all, async () => {
    service.child.kill('SIGKILL')
    await once(service.child, 'exit')
  })

  const large = await startService('large')
  const tasks = Array.from({ length: 1000 }, (_, n) => ({
    type: 'demo',
    input: { seconds: 1 },
    delaySeconds: 86_400,
    labels: { batch: `b${n % 10}` }
  }))
  for (let n = 0; n < 100; n++) await large.send('POST', '/api/tasks/batch', { tasks })
  await picture('100000-tasks', `${large.url}/ui/`, 'Due later', looks.light)
  large.child.kill('SIGKILL')
} finally {
  await browser.close()
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
}
