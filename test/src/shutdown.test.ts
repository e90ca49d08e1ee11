import t, { type Test } from 'tap'
import { type DrainParticipant, Shutdown, type ShutdownOptions } from '../../src/shutdown.ts'
import { within } from '../../src/timers.ts'
import { quietLog } from '../helper.ts'

/** Work that the test holds and lets go. */
function heldWork(remaining = 1) {
  let wake = () => {}
  const idle = new Promise<void>((resolve) => (wake = resolve))
  const calls: string[] = []
  const work = {
    remaining,
    calls,
    forced: false,
    finish() {
      work.remaining = 0
      wake()
    }
  }
  const participant: DrainParticipant = {
    name: 'work',
    pause: () => calls.push('pause'),
    resume: () => calls.push('resume'),
    remaining: () => work.remaining,
    idle: () => (work.remaining === 0 ? Promise.resolve() : idle),
    async cancel() {
      calls.push('cancel')
      work.finish()
      return { forced: work.forced }
    }
  }
  return Object.assign(work, { participant })
}

function makeShutdown(options: Partial<ShutdownOptions> = {}) {
  return new Shutdown({ delayMs: 0, timeoutMs: 60_000, cancelGraceMs: 100, log: quietLog, ...options })
}

/** Hears the phases at each moment that something is told. */
function listen(shutdown: Shutdown) {
  const heard: unknown[] = []
  shutdown.onChange((draining) => heard.push({ draining, phase: shutdown.phase }))
  shutdown.onDrained(({ reason, outcome }) => heard.push({ reason, outcome }))
  return heard
}

t.test('a process that serves accepts tasks and has nothing to say about leaving', async (t) => {
  const shutdown = makeShutdown()

  t.match(shutdown, {
    phase: 'serving',
    reason: null,
    since: null,
    deadline: null,
    exiting: false,
    succeeded: true
  })
  t.equal(shutdown.isDraining(), false)
  t.equal(shutdown.acceptsTasks(), true)
})

t.test('idle, the way out is clean and short', async (t) => {
  const shutdown = makeShutdown()
  const heard = listen(shutdown)
  shutdown.onDrain(heldWork(0).participant)
  shutdown.requestExit('SIGTERM')

  await shutdown.run()
  shutdown.closed()

  t.strictSame(heard, [
    { draining: true, phase: 'draining' },
    { reason: 'SIGTERM', outcome: 'clean' }
  ])
  t.match(shutdown, { phase: 'closed', succeeded: true, reason: 'SIGTERM' })
})

t.test('the way out waits for the last work, and no longer', async (t) => {
  const shutdown = makeShutdown()
  const [first, second] = [heldWork(), heldWork()]
  shutdown.onDrain(first.participant)
  shutdown.onDrain(second.participant)

  const left = shutdown.run()
  t.strictSame([first.calls, second.calls], [['pause'], ['pause']])
  t.equal(shutdown.acceptsTasks(), false)
  t.ok(shutdown.deadline)
  first.finish()
  t.equal(await within(20, left), false)
  second.finish()
  await left

  t.strictSame([first.calls, second.calls], [['pause'], ['pause']])
})

t.test('while it delays it is unready, and takes tasks', async (t) => {
  const shutdown = makeShutdown({ delayMs: 50 })
  const work = heldWork(0)
  shutdown.onDrain(work.participant)

  const left = shutdown.run()
  t.equal(shutdown.phase, 'delaying')
  t.equal(shutdown.isDraining(), true)
  t.equal(shutdown.acceptsTasks(), true)
  t.strictSame(work.calls, [])
  await left

  t.strictSame(work.calls, ['pause'])
})

for (const [forced, outcome] of [
  [false, 'cancelled'],
  [true, 'forced']
] as const) {
  t.test(`work that is not done at the deadline is ended: ${outcome}`, async (t) => {
    const shutdown = makeShutdown({ timeoutMs: 20 })
    const heard = listen(shutdown)
    const work = heldWork()
    work.forced = forced
    shutdown.onDrain(work.participant)

    await shutdown.run()

    t.strictSame(work.calls, ['pause', 'cancel'])
    t.strictSame(heard.at(-1), { reason: 'close', outcome })
    t.equal(shutdown.succeeded, true)
  })
}

t.test('what cannot be recorded holds the exit only for its budget', async (t) => {
  const shutdown = makeShutdown({ timeoutMs: 0, cancelGraceMs: 0 })
  const work = heldWork()
  shutdown.onDrain({ ...work.participant, cancel: () => new Promise(() => {}) })

  await shutdown.run()

  t.equal(shutdown.succeeded, false)
})

t.test('a drain by hand can be undone, and repeating it changes nothing', async (t) => {
  const shutdown = makeShutdown()
  const work = heldWork()
  shutdown.onDrain(work.participant)
  const heard = listen(shutdown)

  shutdown.setDraining(true, 'maintenance')
  const { since } = shutdown
  shutdown.setDraining(true, 'again')
  t.match(shutdown, { phase: 'draining', reason: 'maintenance', deadline: null })
  t.equal(shutdown.since, since)
  t.equal(shutdown.acceptsTasks(), false)
  shutdown.setDraining(false)
  shutdown.setDraining(false)

  t.match(shutdown, { phase: 'serving', reason: null, since: null })
  t.strictSame(work.calls, ['pause', 'resume'])
  t.strictSame(heard, [
    { draining: true, phase: 'draining' },
    { draining: false, phase: 'serving' }
  ])
})

t.test('a drain by hand is reported when nothing runs any more, unless it was undone', async (t) => {
  const shutdown = makeShutdown()
  const work = heldWork()
  shutdown.onDrain(work.participant)
  const reports: string[] = []
  const reported = new Promise<void>((resolve) => {
    shutdown.onDrained(({ reason, outcome }) => {
      reports.push(`${reason} ${outcome}`)
      resolve()
    })
  })

  shutdown.setDraining(true)
  shutdown.setDraining(false)
  shutdown.setDraining(true, 'for real')
  work.finish()
  await reported

  t.strictSame(reports, ['admin clean'])
})

t.test('an exit cannot be undone', async (t) => {
  const shutdown = makeShutdown()
  shutdown.requestExit('SIGTERM')

  t.throws(() => shutdown.setDraining(false), { code: 'SHUTTING_DOWN' })
  await shutdown.run()
  t.throws(() => shutdown.setDraining(false), { code: 'SHUTTING_DOWN' })
})

t.test('the time since a drain by hand counts against the delay', async (t: Test) => {
  const shutdown = makeShutdown({ delayMs: 40 })
  shutdown.setDraining(true)
  await new Promise((resolve) => setTimeout(resolve, 60)) // the delay itself: there is nothing to wait for

  const left = shutdown.run()

  t.equal(shutdown.phase, 'draining')
  t.ok(shutdown.deadline, 'it drains before exit at once')
  await left
})

t.test('waitForShutdown says whether it is safe to leave', async (t) => {
  const shutdown = makeShutdown()
  const work = heldWork()
  shutdown.onDrain(work.participant)

  t.equal(await shutdown.waitForShutdown(0), false)
  work.finish()
  t.equal(await shutdown.waitForShutdown(), true)
})

t.test('what must happen before the exit is waited for, in order', async (t) => {
  const shutdown = makeShutdown()
  const order: string[] = []
  shutdown.beforeExit('first', async () => {
    await within(5, new Promise(() => {}))
    order.push('first')
  })
  shutdown.beforeExit('second', () => order.push('second'))

  await shutdown.run()

  t.strictSame(order, ['first', 'second'])
})

t.test('a part that fails does not keep the others from running, and makes the exit code 1', async (t) => {
  const broken = () => {
    throw new Error('broken')
  }
  for (const part of ['pause', 'idle', 'cancel', 'listener', 'step'] as const) {
    const shutdown = makeShutdown({ timeoutMs: 10 })
    const work = heldWork()
    if (part === 'listener') {
      shutdown.onChange(broken)
      shutdown.onDrained(broken)
    }
    if (part === 'step') shutdown.beforeExit('broken', broken)
    const { participant } = heldWork(0)
    if (part === 'pause' || part === 'cancel') participant[part] = broken
    if (part === 'idle') participant.idle = async () => broken()
    shutdown.onDrain(participant)
    shutdown.onDrain(work.participant)
    const done: string[] = []
    shutdown.beforeExit('the next step', () => done.push('next'))

    await shutdown.run()

    t.strictSame(work.calls, ['pause', 'cancel'], `${part}: the others drain`)
    t.strictSame(done, ['next'], `${part}: the steps are done`)
    t.equal(shutdown.succeeded, false, part)
  }
})

t.test('budgets longer than the longest timer do not fire at once', async (t) => {
  const shutdown = makeShutdown({ timeoutMs: 2 ** 31 })
  const work = heldWork()
  shutdown.onDrain(work.participant)

  const done = shutdown.run()
  t.equal(await within(20, done), false)
  work.finish()
  await done

  t.strictSame(work.calls, ['pause'])
})
