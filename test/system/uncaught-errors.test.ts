import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { taskFiles } from '../task-files.ts'
import { setUpService } from './service.ts'

const types = {
  ...taskFiles('gated', 'quick'),
  // Ends at once, and leaves behind what nobody will catch.
  'careless.mjs': `export default {
    type: 'careless', description: 'Leaves errors behind.', input: {}, isolation: 'inline',
    run ({ times }) {
      for (let n = 0; n < times; n++) {
        setTimeout(() => Promise.reject(new Error('left behind ' + n)), 20)
        setTimeout(() => { throw new Error('thrown later ' + n) }, 20)
      }
    }
  }`,
  // What no task is to blame for, as far as anybody can know.
  'crash.mjs': `import { EventEmitter } from 'node:events'
  const timer = setInterval(() => { if (globalThis.crashNow) { clearInterval(timer); throw new Error('nobody caught this') } }, 10)
  timer.unref()
  export default {
    type: 'crash', description: 'Crashes the process.', input: {}, isolation: 'inline',
    run () { globalThis.crashNow = true }
  }`
}

t.test(
  'errors that inline tasks leave behind are logged with their task, counted, and hurt nobody',
  async (t) => {
    for (const when of ['serving', 'draining'] as const) {
      const { start, witness, gate, openGate } = setUpService(t, types)
      const server = await start()
      const running = await witness.start({ type: 'gated', input: { gate } }, `running-${when}`)
      const stream = witness.follow(running)
      await stream.seen(({ type }) => type === 'task_started')
      const careless = await witness.start({ type: 'careless', input: { times: 10 } }, `careless-${when}`)
      if (when === 'draining') server.child.kill('SIGTERM')

      const last = (message: string) =>
        server.logged(({ err }) => (err as Error | undefined)?.message === message)
      for (const message of ['left behind 9', 'thrown later 9', 'left behind 0']) {
        t.match(await last(message), { taskId: careless, type: 'careless', attempt: 1, level: 50 })
      }
      const metrics = await (await fetch(`${server.url}/metrics`)).text()
      t.match(metrics, /^process_uncaught_errors_total 20$/m)
      if (when === 'serving') {
        t.equal(await (await fetch(`${server.url}/readyz`)).text(), 'ok')
        server.child.kill('SIGTERM')
      }
      await openGate()

      t.strictSame(await server.exited, [0, null], when)
      t.ok(await stream.seen(({ type }) => type === 'task_completed'))
      t.match(await server.logged(({ msg }) => msg === 'drained'), { reason: 'SIGTERM', outcome: 'clean' })
    }
  }
)

/** A process that crashes while a task runs, which ends when the gate is opened. */
async function crashBesideTask(t: Test) {
  const { start, witness, gate, openGate } = setUpService(t, types)
  const server = await start()
  const running = await witness.start({ type: 'gated', input: { gate } }, 'running')
  const stream = witness.follow(running)
  await stream.seen(({ type }) => type === 'task_started')
  await witness.start({ type: 'crash', input: {} }, 'crash')
  return { start, server, stream, openGate }
}

t.test('a crash finishes what runs, exits 1 and is recorded as a crash', async (t) => {
  const { start, server, stream, openGate } = await crashBesideTask(t)
  const line = await server.logged(({ msg }) => msg === 'uncaught exception')
  t.match(line, { err: { message: 'nobody caught this', stack: /crash\.mjs/ } })
  await server.logged(({ msg }) => msg === 'draining before exit')
  t.equal(await (await fetch(`${server.url}/readyz`)).text(), 'draining')
  await openGate()

  t.strictSame(await server.exited, [1, null])
  t.ok(await stream.seen(({ type }) => type === 'task_completed'))
  t.match(await server.logged(({ msg }) => msg === 'drained'), { reason: 'crash', outcome: 'clean' })
  const next = await start()
  t.match(
    await (await fetch(`${next.url}/metrics`)).text(),
    /task_graceful_shutdown_duration_seconds_count\{reason="crash",outcome="clean"\} 1/
  )
})

for (const signals of [1, 2]) {
  const what = signals === 1 ? 'one SIGTERM while a crash drains waits for' : 'a second one does not wait for'
  t.test(`${what} what runs`, async (t) => {
    const { server, stream, openGate } = await crashBesideTask(t)
    await server.logged(({ msg }) => msg === 'draining before exit')

    server.child.kill('SIGTERM')
    // Long enough for a process that takes it for the second signal.
    await sleep(500)
    t.equal((await fetch(`${server.url}/healthz`)).status, 200, 'it still serves')
    if (signals === 2) server.child.kill('SIGTERM')
    else {
      await openGate()
      t.ok(await stream.seen(({ type }) => type === 'task_completed'))
    }
    t.strictSame(await server.exited, [1, null])
  })
}
