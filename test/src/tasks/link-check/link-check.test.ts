import { once } from 'node:events'
import t from 'tap'
import { abortReason } from '../../../../src/task-context.ts'
import type { TaskContext } from '../../../../src/task-type.ts'
import { checkTaskType } from '../../../../src/task-types.ts'
import type { State } from '../../../../src/tasks/link-check/findings.ts'
import type { LinkCheckResult } from '../../../../src/tasks/link-check/fit-result.ts'
import { linkCheck } from '../../../../src/tasks/link-check/link-check.ts'
import { quietLog } from '../../../helper.ts'
import { startSite } from './sites.ts'

const type = linkCheck({ isAllowed: () => true })
type Input = Parameters<typeof type.run>[0]

/** A context as a task gets it, that remembers what was told to it. */
function fakeContext(restored?: State) {
  const abort = new AbortController()
  const told: string[] = []
  const checkpoints: State[] = []
  const ctx: TaskContext<State> = {
    taskId: 'task-1',
    attempt: 1,
    signal: abort.signal,
    log: quietLog,
    restored,
    labels: {},
    requestId: undefined,
    traceparent: undefined,
    progress: (value, text) => told.push(`${value} ${text}`),
    checkpoint: async (state) => {
      checkpoints.push(JSON.parse(JSON.stringify(state)))
    }
  }
  return {
    abort,
    ctx,
    told,
    checkpoints,
    run: (input: Input) => type.run(input, ctx) as Promise<LinkCheckResult>
  }
}

/** A site on several addresses that holds each request until the test answers it. */
async function startHeldSite(t: Parameters<typeof startSite>[0], hosts: number) {
  const held = new Map<string, () => void>()
  let wake = () => {}
  const sites = await Promise.all(
    Array.from({ length: hosts }, (_, n) =>
      startSite(
        t,
        (request, response) => {
          const path = request.url ?? ''
          held.set(path, () => {
            held.delete(path)
            response.writeHead(204).end()
          })
          wake()
        },
        `127.0.0.${n + 1}`
      )
    )
  )
  const holds = async (count: number) => {
    while (held.size < count) await new Promise<void>((resolve) => (wake = resolve))
  }
  const answer = (path: string) => held.get(path)?.()
  const urls = (each: number) =>
    sites.flatMap(({ url }, site) => Array.from({ length: each }, (_, n) => `${url}/${site}-${n}`))
  return { urls, holds, answer, held, requests: () => sites.flatMap(({ requests }) => requests) }
}

t.test('each entry of the input is told about, and each link asked once', async (t) => {
  const site = await startSite(t, (request, response) => {
    response.writeHead(request.url === '/gone' ? 410 : 200, { 'content-length': 7 }).end()
  })
  const urls = [`${site.url}/a`, 'http://', `${site.url}/gone`, `${site.url}/a#top`]
  const { run, told, checkpoints } = fakeContext()
  const result = await run({ urls })

  t.strictSame(site.requests, ['HEAD /a', 'HEAD /gone'])
  t.match(result.links, [
    { url: urls[0], ok: true, status: 200, bytes: 7 },
    { url: urls[1], ok: false, error: { code: 'URL_INVALID' } },
    { url: urls[2], ok: false, status: 410 },
    { url: urls[3], ok: true, status: 200, bytes: 7 }
  ])
  t.match(result.totals, { urls: 4, ok: 2, failed: 2, failures: { URL_INVALID: 1, 410: 1 } })
  t.strictSame(result.warnings, [])
  t.strictSame(told, ['0.25 1 of 4', '0.75 3 of 4', '1 4 of 4'])
  t.strictSame(
    checkpoints.map(({ rows }) => rows.length),
    [1, 2]
  )
})

t.test('a later attempt asks only for what no checkpoint contains', async (t) => {
  const site = await startSite(t, (_request, response) => response.writeHead(204).end())
  const urls = ['a', 'b', 'c', 'd'].map((path) => `${site.url}/${path}`)
  const first = fakeContext()
  const whole = await first.run({ urls })
  const second = fakeContext(first.checkpoints[1])
  site.requests.length = 0
  const result = await second.run({ urls })

  t.strictSame(site.requests, ['HEAD /c', 'HEAD /d'])
  t.strictSame(result.links.slice(0, 2), whole.links.slice(0, 2))
  t.equal(result.totals.ok, 4)
  t.equal(second.told[0], '0.5 2 of 4')
})

t.test('no more links are under way than asked for, and one per host', async (t) => {
  const site = await startHeldSite(t, 5)
  const urls = site.urls(2)
  const { run } = fakeContext()
  const running = run({ urls, concurrency: 3 })
  await site.holds(3)
  t.strictSame([...site.held.keys()].sort(), ['/0-0', '/1-0', '/2-0'])
  for (let left = urls.length; left > 0; left--) {
    await site.holds(Math.min(left, 1))
    const [path] = [...site.held.keys()]
    const hosts = [...site.held.keys()].map((held) => held.split('-')[0])
    t.ok(hosts.length <= 3)
    t.equal(new Set(hosts).size, hosts.length)
    site.answer(path ?? '')
  }
  t.equal((await running).totals.ok, 10)
})

t.test('a link holds its slot until a checkpoint contains it', async (t) => {
  const site = await startHeldSite(t, 2)
  const saves: (() => void)[] = []
  const { ctx } = fakeContext()
  let wake = () => {}
  const slow = {
    ...ctx,
    checkpoint: () =>
      new Promise<void>((resolve) => {
        saves.push(resolve)
        wake()
      })
  }
  const running = type.run({ urls: site.urls(1), concurrency: 1 }, slow) as Promise<LinkCheckResult>
  await site.holds(1)
  site.answer('/0-0')
  await new Promise<void>((resolve) => (wake = resolve))
  // By the time that another task has asked for a link, so would have been the next one.
  const elsewhere = await startSite(t, (_request, response) => response.writeHead(404).end(), '127.0.0.9')
  await fakeContext().run({ urls: [elsewhere.url] })
  t.equal(site.requests().length, 1, 'the next link waits for the checkpoint')
  saves[0]?.()
  await site.holds(1)
  const saved = new Promise<void>((resolve) => (wake = resolve))
  site.answer('/1-0')
  await saved
  saves[1]?.()
  t.equal((await running).totals.ok, 2)
})

t.test('at a shutdown links under way are finished and saved, and no others begun', async (t) => {
  const site = await startHeldSite(t, 3)
  const { abort, run, checkpoints } = fakeContext()
  const running = run({ urls: site.urls(4), concurrency: 2 })
  await site.holds(2)
  const reason = abortReason('shutdown')
  abort.abort(reason)
  for (const path of [...site.held.keys()]) site.answer(path)
  await t.rejects(running, reason)
  t.equal(site.requests().length, 2)
  t.equal(checkpoints.at(-1)?.rows.length, 2)
})

for (const cause of ['client', 'timeout', 'lost'] as const) {
  t.test(`links under way are cut off when the cause to stop is ${cause}`, async (t) => {
    const closed: Promise<unknown>[] = []
    const { abort, run } = fakeContext()
    const reason = abortReason(cause)
    const site = await startSite(t, (request) => {
      closed.push(once(request.socket, 'close'))
      abort.abort(reason)
    })
    await t.rejects(run({ urls: [`${site.url}/a`, `${site.url}/b`] }), reason)
    await Promise.all(closed)
    t.equal(site.requests.length, 1)
  })
}

t.test('a task that is aborted before it starts requests nothing', async (t) => {
  const site = await startSite(t, (_request, response) => response.end())
  for (const cause of ['shutdown', 'client'] as const) {
    const { abort, run } = fakeContext()
    abort.abort(abortReason(cause))
    await t.rejects(run({ urls: [site.url] }), { code: cause })
  }
  t.equal(site.requests.length, 0)
})

t.test('a checkpoint that cannot be written stops the task with its error', async (t) => {
  const site = await startHeldSite(t, 3)
  const { ctx } = fakeContext()
  const error = Object.assign(new Error('disk full'), { code: 'STORE_UNAVAILABLE' })
  const broken = { ...ctx, checkpoint: () => Promise.reject(error) }
  const running = type.run({ urls: site.urls(3), concurrency: 2 }, broken) as Promise<LinkCheckResult>
  await site.holds(2)
  site.answer('/0-0')
  await t.rejects(running, error)
  t.equal(site.requests().length, 2)
})

t.test('sixteen links at once warn of nothing', async (t) => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const site = await startHeldSite(t, 20)
  const { run } = fakeContext()
  const running = run({ urls: site.urls(1), concurrency: 16 })
  await site.holds(16)
  for (let left = 20; left > 0; left--) {
    await site.holds(1)
    site.answer([...site.held.keys()][0] ?? '')
  }
  t.equal((await running).totals.ok, 20)
  t.strictSame(warnings, [])
})

t.test('an input is checked', async (t) => {
  const { checkInput } = checkTaskType(type, 'test:', 1000)
  const defaults = { urls: ['http://a.test'] }
  t.equal(checkInput(defaults), undefined)
  t.strictSame(defaults, { urls: ['http://a.test'], concurrency: 4, timeoutSeconds: 10 })

  const wrong = [
    {},
    { urls: [] },
    { urls: ['ftp://a.test'] },
    { urls: [`http://a.test/${'x'.repeat(2048)}`] },
    { urls: Array(5001).fill('http://a.test') },
    { urls: ['http://a.test'], concurrency: 17 },
    { urls: ['http://a.test'], timeoutSeconds: 0 },
    { urls: ['http://a.test'], allowPrivate: true }
  ]
  for (const input of wrong) t.type(checkInput(input), 'string')
})
