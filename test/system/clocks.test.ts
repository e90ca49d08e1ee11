/** The wall clock is set an hour back or forward, as NTP and suspended machines do: durations last as long as they were set to. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { taskFile, taskFiles } from '../task-files.ts'
import { fakeTime } from './fake-time.ts'
import { setUpService } from './service.ts'

t.setTimeout(300_000)
t.jobs = 4 // they wait most of the time

const types = {
  ...taskFiles('gated', 'quick'),
  'limited.mjs': taskFile('gated', 'timeoutSeconds: 3', 'limited'),
  'again.mjs': `export default {
    type: 'again', description: 'Fails once.', input: {}, isolation: 'inline', attempts: 2, backoffSeconds: 3,
    run (input, { attempt }) { if (attempt === 1) throw new Error('the first time') ; return attempt }
  }`
}

/** A service whose wall clock the test sets; its monotonic clock is the real one. */
function setUp(t: Test, settings: Record<string, string> = {}) {
  const service = setUpService(t, types, { ADMIN_TOKEN: 'operator', ...settings })
  const clock = join(service.dir, 'clock')
  const step = (seconds: string) => writeFileSync(clock, seconds)
  step('+0')
  const start = () =>
    service.start({
      ...fakeTime.env,
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1'
    })
  return { ...service, start, step }
}

/** Resolves with the seconds that pass until it does. */
async function secondsUntil(event: Promise<unknown>): Promise<number> {
  const start = performance.now()
  await event
  return (performance.now() - start) / 1000
}

// A busy machine may take long; an hour it does not take.
const late = 60

for (const hour of ['-3600', '+3600']) {
  t.test(`a backoff lasts as long as before: ${hour} s`, fakeTime, async (t) => {
    const { start, witness, step } = setUp(t)
    await start()
    const stream = witness.follow(await witness.start({ type: 'again', input: {} }, 'again'))
    await stream.seen(({ type }) => type === 'task_requeued')
    step(hour)

    const seconds = await secondsUntil(stream.seen(({ type }) => type === 'task_completed'))
    t.ok(seconds > 2 && seconds < late, `${seconds} s`)
    t.strictSame(await witness.verify(), [])
  })

  t.test(`a time limit lasts as long as before: ${hour} s`, fakeTime, async (t) => {
    const { start, witness, step, gate } = setUp(t)
    await start()
    const stream = witness.follow(await witness.start({ type: 'limited', input: { gate } }, 'limited'))
    await stream.seen(({ type }) => type === 'task_started')
    step(hour)

    const seconds = await secondsUntil(stream.seen(({ type }) => type === 'task_cancelled'))
    t.ok(seconds > 2 && seconds < late, `${seconds} s`)
  })

  t.test(`finished tasks are kept as long as before: ${hour} s`, fakeTime, async (t) => {
    const { start, witness, step, client } = setUp(t, { TASK_RETENTION: '5' })
    await start()
    const before = await witness.start({ type: 'quick', input: {} }, 'before')
    await witness.follow(before).done
    step(hour)
    const after = await witness.start({ type: 'quick', input: {} }, 'after')
    await witness.follow(after).done

    for (const taskId of [before, after]) {
      t.equal((await client.get(taskId)).status, 200, 'it is there')
    }
    const gone = async (taskId: string) => {
      while ((await client.get(taskId)).status === 200) await sleep(100)
    }
    const seconds = await secondsUntil(Promise.all([gone(before), gone(after)]))
    t.ok(seconds > 4 && seconds < late, `${seconds} s`)
  })

  t.test(`tasks keep their order: ${hour} s`, fakeTime, async (t) => {
    const { start, witness, step, client } = setUp(t)
    await start()
    const taskIds: string[] = []
    for (const offset of ['+0', hour, '+0']) {
      step(offset)
      for (let n = 0; n < 3; n++)
        taskIds.push(await witness.start({ type: 'quick', input: {} }, `${offset}${taskIds.length}`))
    }
    const listed: string[] = []
    for await (const { taskId } of client.list()) listed.push(taskId)
    t.strictSame(listed, taskIds.toReversed())
    t.strictSame(listed.toSorted(), taskIds, 'so do their ids')
  })

  t.test(`a heartbeat comes as often as before: ${hour} s`, fakeTime, async (t) => {
    const { start, witness, step, gate } = setUp(t, { SSE_HEARTBEAT: '1' })
    const server = await start()
    const taskId = await witness.start({ type: 'gated', input: { gate } }, 'gated')
    const sent = request(`${server.url}/api/tasks/${taskId}/stream`, { agent: false }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    t.teardown(() => sent.destroy())
    const heartbeats = async (count: number) => {
      let seen = 0
      for await (const chunk of response.iterator({ destroyOnReturn: false }))
        if (/^:/m.test(String(chunk)) && ++seen === count) return
    }
    await heartbeats(1)
    step(hour)
    const seconds = await secondsUntil(heartbeats(3))
    t.ok(seconds > 1.5 && seconds < late, `${seconds} s`)
  })

  t.test(
    `a drain by hand, then a signal: delay and deadline last as long as before: ${hour} s`,
    fakeTime,
    async (t) => {
      const { start, witness, step, gate } = setUp(t, {
        SHUTDOWN_DELAY: '4',
        GRACEFUL_SHUTDOWN_TIMEOUT: '3',
        CANCEL_GRACE: '1'
      })
      const server = await start()
      const stream = witness.follow(await witness.start({ type: 'gated', input: { gate } }, 'gated'))
      await stream.seen(({ type }) => type === 'task_started')
      await fetch(`${server.url}/admin/drain`, {
        method: 'POST',
        headers: { authorization: 'Bearer operator' }
      })
      step(hour)
      server.child.kill('SIGTERM')
      const seconds = await secondsUntil(server.exited)

      t.strictSame(await server.exited, [0, null])
      t.ok(seconds > 6 && seconds < late, `${seconds} s`)
      const drained = await server.logged(({ msg }) => msg === 'drained')
      t.ok(Number(drained.seconds) > 6 && Number(drained.seconds) < late, `the log says ${drained.seconds} s`)
    }
  )
}
