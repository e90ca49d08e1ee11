import { readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WorkerPool } from '../../src/worker-pool.ts'
import { processStarter } from '../../src/worker-process.ts'
import { quietLog } from '../helper.ts'
import {
  appOf,
  cancel,
  ended,
  loggedApp,
  metric,
  modules,
  progressed,
  record,
  release,
  start,
  waitsFor
} from '../run-tasks.ts'

// Processes start slowly on a busy machine.
t.setTimeout(600_000)

/** What holds for child processes and for threads. */
function workerSuite(t: Test, isolation: 'process' | 'thread') {
  const appWith = appOf(isolation)

  t.test('a worker that crashes fails its task and nothing else', async (t) => {
    const folder = t.testdir({})
    const app = await appWith(
      t,
      {
        exits: 'process.exit(0)',
        'exits-badly': 'process.exit(7)',
        'throws-later': `await new Promise(() => setTimeout(() => { throw new Error('in a timer') }, 1))`,
        'rejects-later': `Promise.reject(new Error('unhandled')); await new Promise(() => {})`,
        'throws-later-odd': 'await new Promise(() => setTimeout(() => { throw null }, 1))',
        patient: `${waitsFor(folder)} return 'unharmed'`
      },
      { MAX_WORKERS: '2' }
    )
    const patient = await start(app, 'patient')
    await progressed(app, patient)

    const messages = {
      exits: /exited with code 0/,
      'exits-badly': /exited with code 7/,
      'throws-later': /in a timer/,
      'rejects-later': /unhandled/,
      'throws-later-odd': /null/
    }
    for (const [type, message] of Object.entries(messages)) {
      const { names, task } = await ended(app, await start(app, type))
      t.same(names, ['task_started', 'task_failed'], type)
      t.match(task, { status: 'failed', error: { code: 'TASK_WORKER_CRASHED', message } }, type)
      t.equal((await record(app, patient)).status, 'running')
    }
    await release(folder)
    const { task, names } = await ended(app, patient)
    t.match(task, { status: 'completed', result: 'unharmed', attempt: 1 })
    t.same(names, ['task_started', 'progress_update', 'task_completed'])
    t.equal(await metric(app, 'task_active_executions'), 0)
  })

  t.test('what a finished task left behind in its worker does not harm the service', async (t) => {
    const app = await appWith(
      t,
      {
        untidy: `setTimeout(() => { throw new Error('left behind') }, 1); return 'done'`,
        tidy: 'return input'
      },
      { MAX_WORKERS: '1' }
    )

    const { task } = await ended(app, await start(app, 'untidy'))

    t.match(task, { status: 'completed', result: 'done' })
    // The timer fires while a thread is idle or starts the next one; tasks that come after it are unharmed.
    const thread = await start(app, 'tidy', 0)
    await ended(app, thread)
    const { task: last } = await ended(app, await start(app, 'tidy', 1))
    t.match(last, { status: 'completed', result: 1 })
  })

  t.test('a worker that spins is killed after CANCEL_GRACE and its slot is free', async (t) => {
    const app = await appWith(
      t,
      { spin: 'ctx.progress(0.1); for (;;);', next: 'return 2' },
      { MAX_WORKERS: '1', CANCEL_GRACE: '0.2' }
    )
    const taskId = await start(app, 'spin')
    await progressed(app, taskId)
    const next = await start(app, 'next')
    const before = performance.now()

    const response = await cancel(app, taskId)

    t.match(response.json(), { status: 'running' })
    const { task, names } = await ended(app, taskId)
    t.ok(performance.now() - before >= 195, 'not before')
    t.match(task, { status: 'cancelled', cancelReason: 'client' })
    t.same(names, ['task_started', 'progress_update', 'task_cancelled'])
    t.match((await ended(app, next)).task, { status: 'completed', result: 2 })
    t.equal(await metric(app, 'task_force_terminated_total{type="spin"}'), 1)
  })

  t.test('probes answer while every worker spins', async (t) => {
    const app = await appWith(
      t,
      { spin: 'ctx.progress(0.1); for (;;);' },
      { MAX_WORKERS: '3', CANCEL_GRACE: '0' }
    )
    const ids = [await start(app, 'spin'), await start(app, 'spin'), await start(app, 'spin')]
    for (const taskId of ids) await progressed(app, taskId)

    t.equal((await app.inject('/healthz')).body, 'alive')
    t.equal((await app.inject('/readyz')).body, 'ok')
    t.equal((await app.inject(`/api/tasks/${ids[0]}`)).json().status, 'running')
    for (const taskId of ids) await cancel(app, taskId)
    for (const taskId of ids) t.equal((await ended(app, taskId)).task.status, 'cancelled')
  })

  t.test('a worker that spins beyond its time limit is killed', async (t) => {
    const app = await appWith(
      t,
      { spin: 'for (;;);', next: 'return 1' },
      { MAX_WORKERS: '1', CANCEL_GRACE: '0.1' },
      { spin: 'timeoutSeconds: 0.1,' }
    )

    const { task } = await ended(app, await start(app, 'spin'))

    t.match(task, { status: 'cancelled', cancelReason: 'timeout' })
    t.match((await ended(app, await start(app, 'next'))).task, { status: 'completed' })
  })

  t.test('a worker is used again, the one that was used last first', async (t) => {
    const app = await appWith(t, {
      count: `globalThis.runs = (globalThis.runs ?? 0) + 1; return globalThis.runs`
    })

    const results: unknown[] = []
    for (let n = 0; n < 3; n++) results.push((await ended(app, await start(app, 'count'))).task.result)

    t.same(results, [1, 2, 3])
  })

  t.test(
    'what a task prints is a line of the log with its id, whole and in order, and nothing of the next one',
    async (t) => {
      const dir = t.testdir(
        modules(isolation, {
          prints: `console.log('begins %d', input)
        process.stdout.write('one ')
        process.stdout.write('line\\nand ')
        await new Promise((resolve) => setTimeout(resolve, 1))
        console.error('to stderr')
        process.stdout.write('a rest of ' + input)`
        })
      )
      const { app, lines } = await loggedApp(t, { TASKS_DIR: dir, MAX_WORKERS: '1' })

      const ids = [await start(app, 'prints', 1), await start(app, 'prints', 2)]
      for (const taskId of ids) await ended(app, taskId)

      for (const [n, taskId] of ids.entries()) {
        t.match(
          lines.filter((line) => line.taskId === taskId && 'stream' in line),
          [
            { level: 30, msg: `begins ${n + 1}`, type: 'prints', attempt: 1, stream: 'stdout' },
            { level: 30, msg: 'one line', stream: 'stdout' },
            { level: 30, msg: 'to stderr', stream: 'stderr' },
            { level: 30, msg: `and a rest of ${n + 1}`, stream: 'stdout' }
          ]
        )
      }
    }
  )

  t.test('a task that prints without end is held up, and the service is not', async (t) => {
    const dir = t.testdir(
      modules(isolation, {
        floods: `ctx.progress(0.5); for (;;) console.log('and on')`
      })
    )
    const { app, lines, logged } = await loggedApp(t, { TASKS_DIR: dir, CANCEL_GRACE: '0' })
    const startedAt = performance.now()
    const taskId = await start(app, 'floods')
    await logged(({ msg }) => msg === 'and on')

    for (const until = performance.now() + 1000; performance.now() < until; ) {
      t.equal((await app.inject('/healthz')).statusCode, 200)
      await sleep(50)
    }
    const printed = lines.filter(({ msg }) => msg === 'and on').length
    const seconds = (performance.now() - startedAt) / 1000
    await cancel(app, taskId)

    t.match((await ended(app, taskId)).task, { status: 'cancelled' })
    t.ok(printed <= 5_000 * (seconds + 0.1), `${printed} lines in ${seconds} s`)
  })
}

for (const isolation of ['process', 'thread'] as const)
  t.test(isolation, async (t) => workerSuite(t, isolation))

// A thread cannot promise this: it may take the whole service with it.
t.test('a process that runs out of memory fails its task and nothing else', async (t) => {
  const app = await appOf('process')(
    t,
    {
      list: 'let list; for (;;) list = { list, at: Math.random() }',
      strings: `const kept = []; for (;;) kept.push('part ' + kept.length + Math.random())`,
      map: 'const map = new Map(); for (;;) map.set(map.size, { at: map.size })',
      json: `const kept = []; for (;;) kept.push(JSON.parse('{"parts":[{"a":1},{"b":[1,2,3]}]}'))`,
      modest: 'return input.n + 1'
    },
    { WORKER_MEMORY_LIMIT: '32' }
  )

  for (const type of ['list', 'strings', 'map', 'json']) {
    const { task } = await ended(app, await start(app, type))
    t.match(
      task,
      { status: 'failed', error: { code: 'TASK_WORKER_CRASHED', message: /out of memory/ } },
      type
    )
  }
  t.match((await ended(app, await start(app, 'modest', { n: 1 }))).task, { status: 'completed', result: 2 })
})

t.test(
  'a process that is ended by a signal, by its own fault or not, fails its task and says which',
  async (t) => {
    const app = await appOf('process')(t, {
      aborts: 'process.abort()',
      killed: `process.kill(process.pid, 'SIGKILL')`,
      faults: `process.kill(process.pid, 'SIGSEGV'); for (;;);`,
      disconnects: 'process.disconnect(); await new Promise(() => {})'
    })

    const messages = { aborts: /SIGABRT/, killed: /SIGKILL/, faults: /SIGSEGV/, disconnects: /./ }
    for (const [type, message] of Object.entries(messages)) {
      const { task } = await ended(app, await start(app, type))
      t.match(task, { status: 'failed', error: { code: 'TASK_WORKER_CRASHED', message } }, type)
    }
  }
)

t.test('a process has the heap of WORKER_MEMORY_LIMIT and a lower priority than the service', async (t) => {
  const before = process.env.NODE_OPTIONS
  process.env.NODE_OPTIONS = `${before ?? ''} --max-old-space-size=2048 --max_old_space_size=2048`
  t.teardown(() => {
    if (before === undefined) delete process.env.NODE_OPTIONS
    else process.env.NODE_OPTIONS = before
  })
  const app = await appOf('process')(
    t,
    {
      limits: `const { getHeapStatistics } = await import('node:v8')
        return { limit: getHeapStatistics().heap_size_limit / 2 ** 20, options: process.env.NODE_OPTIONS, pid: process.pid }`
    },
    { WORKER_MEMORY_LIMIT: '100' }
  )

  const { task } = await ended(app, await start(app, 'limits'))

  const { limit, options, pid } = task.result as { limit: number; options: string; pid: number }
  t.ok(limit >= 100 && limit <= 300, `${limit} MiB, with what the young generation takes`)
  t.notMatch(options, /2048/)
  t.ok(getPriority(pid) > getPriority(), 'nicer than the service')
})

t.test('processes do not heed the signals of a terminal', async (t) => {
  const app = await appOf('process')(t, {
    survives: `for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.kill(process.pid, signal)
      await new Promise((resolve) => setTimeout(resolve, 20))
      return 'alive'`
  })

  t.match((await ended(app, await start(app, 'survives'))).task, { status: 'completed', result: 'alive' })
})

t.test('a process that is interrupted before it is up does not fail its task', async (t) => {
  const app = await appOf('process')(t, { pid: 'return { pid: process.pid, attempt: ctx.attempt }' })
  const taskId = await start(app, 'pid')
  let child: number | undefined
  while (child === undefined) {
    await new Promise((resolve) => setImmediate(resolve))
    child = childrenOf(process.pid)[0]
  }

  process.kill(child, 'SIGTERM')

  const { task, names } = await ended(app, taskId)
  t.match(task, { status: 'completed', result: { attempt: 1 } })
  t.not((task.result as { pid: number }).pid, child)
  t.same(names, ['task_started', 'task_completed'])
})

t.test('a killed worker that cannot be replaced harms nobody: the next task starts another', async (t) => {
  const starter = processStarter(64, quietLog)
  let starts = 0
  const pool = new WorkerPool(
    {
      start: (events) => {
        if (++starts === 2) throw new Error('spawn ENOMEM')
        return starter.start(events)
      },
      close: () => starter.close()
    },
    quietLog
  )
  t.teardown(() => pool.close())
  const run = (name: string) =>
    pool.run(
      new URL(`../task-types/${name}.mjs`, import.meta.url).href,
      { taskId: 'any', attempt: 1, input: '{}', restored: undefined },
      { report() {}, saveCheckpoint: async () => {} }
    )
  const spinning = run('spin')
  spinning.kill(true)

  t.match(await spinning.ended, { stopped: 'killed' })
  t.match(await run('quick').ended, { result: /./ })
  t.equal(starts, 3)
})

t.test('no process is there before the first task, and none after the service is closed', async (t) => {
  const app = await appOf('process')(t, { pid: 'return process.pid' })
  const before = childrenOf(process.pid)

  const { task } = await ended(app, await start(app, 'pid'))
  const between = childrenOf(process.pid)
  await app.close()

  t.same(before, [])
  t.ok(between.includes(Number(task.result)))
  t.same(
    childrenOf(process.pid).filter((pid) => pid === task.result),
    []
  )
})

/** The worker processes of a process: the shell that watches over them is none. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter((child) => child !== '')
    .map(Number)
    .filter((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('worker'))
}
