import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { spawnServer } from '../helper.ts'
import { taskFile } from '../task-files.ts'
import { Client } from './retrying-client.ts'

t.setTimeout(120_000)

const chatty = (isolation: string) => `export default {
  type: 'chatty-${isolation}', description: 'Prints.', input: {}, isolation: '${isolation}',
  async run () {
    for (let n = 0; n < 100; n++) {
      console.log('to stdout', n)
      console.error('to stderr', n)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return 'said'
  }
}`

const types = {
  'gated.mjs': taskFile('gated', "isolation: 'process'")
    .replace('while', 'progress(0.5); while')
    .replace('{ signal })', '{ signal, progress })'),
  'spin.mjs': `export default {
    type: 'spin', description: 'Spins.', input: {}, onShutdown: 'requeue',
    run (input, ctx) { ctx.progress(0.5, String(process.pid)); for (;;); }
  }`,
  'idle.mjs': `export default {
    type: 'idle', description: 'Waits.', input: {},
    run (input, ctx) { ctx.progress(0.5, String(process.pid)); return new Promise(() => {}) }
  }`,
  'thread.mjs': `export default {
    type: 'thread', description: 'Ends at once.', input: {}, isolation: 'thread', run: () => 'done'
  }`,
  ...Object.fromEntries(['process', 'thread', 'inline'].map((kind) => [`chatty-${kind}.mjs`, chatty(kind)]))
}

async function setUp(t: Test, settings: Record<string, string> = {}, options: { detached?: boolean } = {}) {
  const dir = t.testdir({ types })
  const env = {
    TASK_STORE_URL: `sqlite:${join(dir, 'tasks.db')}`,
    TASKS_DIR: join(dir, 'types'),
    CANCEL_GRACE: '0.2',
    ...settings
  }
  const server = spawnServer(t, env, options)
  const url = await server.listening()
  const client = new Client(() => url)
  t.teardown(() => client.close())
  const start = async (type: string, input: unknown = {}): Promise<string> =>
    (await client.start({ type, input }, `${type}-${Math.random()}`)).body.taskId
  /** The process that a task of the types above says it runs in. */
  const processOf = async (taskId: string) => {
    const { json } = await client.follow(taskId).seen(({ type }) => type === 'progress_update')
    return Number(JSON.parse(json).data.text)
  }
  const ended = async (taskId: string) => {
    await client.follow(taskId).done
    return (await client.get(taskId)).body
  }
  return { dir, server, client, start, processOf, ended }
}

const isAlive = (pid: number) =>
  existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))

async function gone(pids: readonly number[], withinMs: number): Promise<number[]> {
  const until = performance.now() + withinMs
  while (pids.some(isAlive) && performance.now() < until) await sleep(10)
  return pids.filter(isAlive)
}

t.test('a signal to the whole process group ends the service in good order, and no task', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const { dir, server, client, start } = await setUp(t, {}, { detached: true })
    const gate = join(dir, 'gate')
    const taskId = await start('gated', { gate })
    await client.follow(taskId).seen(({ type }) => type === 'progress_update')

    process.kill(-Number(server.child.pid), signal)
    await server.logged(({ msg }) => msg === 'draining before exit')
    await writeFile(gate, '')

    t.match(await server.logged(({ msg }) => msg === 'task ended'), { taskId, status: 'completed' }, signal)
    t.same(await server.exited, [0, null])
  }
})

t.test('worker processes are gone within a second after the service, also when they spin', async (t) => {
  const { server, start, processOf } = await setUp(t)
  const pids = [await processOf(await start('spin')), await processOf(await start('idle'))]
  t.ok(pids.every(isAlive))

  server.child.kill('SIGKILL')
  await server.exited

  t.same(await gone(pids, 1000), [])
})

t.test('worker processes that spin are killed at the end of a drain', async (t) => {
  const { server, start, processOf } = await setUp(t, { GRACEFUL_SHUTDOWN_TIMEOUT: '0' })
  const pids = [await processOf(await start('spin')), await processOf(await start('idle'))]

  server.child.kill('SIGTERM')

  t.same(await server.exited, [0, null])
  t.same(await gone(pids, 0), [])
})

t.test('a killed watchdog is replaced', async (t) => {
  const { server, start, processOf } = await setUp(t)
  const pid = await processOf(await start('spin'))
  const watchdogOf = (parent: number) =>
    readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8')
      .trim()
      .split(' ')
      .find((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').startsWith('/bin/sh'))
  const first = watchdogOf(Number(server.child.pid))
  process.kill(Number(first), 'SIGKILL')
  let second = first
  while (second === first || second === undefined) {
    await sleep(10)
    second = watchdogOf(Number(server.child.pid))
  }

  server.child.kill('SIGKILL')
  await server.exited

  // It was started a moment ago, and may not have read yet whom it watches.
  t.same(await gone([pid], 10_000), [])
})

t.test('nothing that tasks print harms a service whose log nobody reads any more', async (t) => {
  const { server, client, start, ended } = await setUp(t)
  server.child.stdout?.destroy()

  for (const kind of ['process', 'thread', 'inline'])
    t.match(await ended(await start(`chatty-${kind}`)), { status: 'completed', result: 'said' }, kind)
  t.match(await client.call('GET', '/healthz'), { status: 200 })
})

t.test('a heap limit of NODE_OPTIONS, which goes before that of threads, is told once', async (t) => {
  const { server, start, ended } = await setUp(t, { NODE_OPTIONS: '--max-old-space-size=1024' })
  for (let n = 0; n < 2; n++) await ended(await start('thread'))
  await ended(await start('chatty-process'))

  const told = server.lines.filter(({ msg }) => /overrides WORKER_MEMORY_LIMIT/.test(msg))
  t.match(told, [{ level: 40, WORKER_MEMORY_LIMIT: 512 }])
  t.equal(told.length, 1)
})
