import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { needsRedis } from '../../redis.ts'
import { openJobs } from './open-jobs.ts'

const skip = needsRedis()
const completed = { status: 'completed', result: '"done"' } as const
const noClaim = { count: 0, capacity: 0 }
const ended = { agoMs: 0, report: undefined, claim: noClaim }

t.test(
  'a claim whose answer was lost is not made twice, and is found by the next renewal',
  { skip },
  async (t) => {
    const { jobsOf, submit } = await openJobs(t)
    const jobs = jobsOf('one')
    const ids = [await submit(), await submit(), await submit()]

    const lost = await jobs.claim({ count: 2, capacity: 2 })
    t.equal(lost.claimed.length, 2)
    const again = await jobs.claim({ count: 2, capacity: 2 })
    t.match(again, { claimed: [], full: true }, 'it has all that it has slots for')

    const { unknown } = await jobs.renew([])
    t.strictSame(unknown.map(({ taskId }) => taskId).sort(), ids.slice(0, 2))
    const known = ids.slice(0, 2).map((taskId) => ({ taskId, attempt: 0 }))
    t.strictSame((await jobs.renew(known)).unknown, [])
  }
)

t.test('an attempt is begun once, however often that is asked for', { skip }, async (t) => {
  const { jobsOf, submit } = await openJobs(t)
  const jobs = jobsOf('one')
  const taskId = await submit()
  await jobs.claim({ count: 1, capacity: 1 })

  const first = (await jobs.begin([taskId])).get(taskId)
  t.match(first, { attempt: 1 })
  t.strictSame((await jobs.begin([taskId])).get(taskId), first)
  t.equal((await jobsOf('two').begin([taskId])).get(taskId), undefined, 'by whoever has claimed it')
})

t.test('an outcome is recorded once; who says it again is told what was', { skip }, async (t) => {
  const { jobsOf, submit, records } = await openJobs(t)
  const jobs = jobsOf('one')
  const taskId = await submit()
  await jobs.claim({ count: 1, capacity: 1 })
  await jobs.begin([taskId])

  t.match(await jobs.finish({ taskId, attempt: 1 }, completed, ended), { status: 'completed' })
  t.match(await jobs.finish({ taskId, attempt: 1 }, completed, ended), {
    status: 'refused',
    recorded: 'completed'
  })
  const failed = { status: 'failed', error: { code: 'TASK_FAILED', message: 'late' } } as const
  t.match(await jobs.finish({ taskId, attempt: 1 }, failed, ended), {
    status: 'refused',
    recorded: 'completed'
  })
  t.match(await records.get(taskId), { status: 'completed', result: '"done"' })
})

t.test('the end of one task claims the next', { skip }, async (t) => {
  const { jobsOf, submit } = await openJobs(t)
  const jobs = jobsOf('one')
  const [first, second] = [
    await submit(),
    await submit({ labels: { team: 'parts' }, requestId: 'request-1' })
  ]
  await jobs.claim({ count: 1, capacity: 1 })
  await jobs.begin([first])

  const { claims } = await jobs.finish({ taskId: first, attempt: 1 }, completed, {
    ...ended,
    claim: { count: 1, capacity: 1 }
  })
  t.match(claims.claimed, [
    { taskId: second, type: 'any', input: '1', labels: { team: 'parts' }, requestId: 'request-1' }
  ])
})

t.test('the last report comes with the end if its own command may have been lost', { skip }, async (t) => {
  const { jobsOf, submit, redis, key } = await openJobs(t)
  const jobs = jobsOf('one')
  const taskId = await submit()
  await jobs.claim({ count: 1, capacity: 1 })
  await jobs.begin([taskId])
  const report = { number: 1, data: '{"value":0.5}', at: Date.now() }
  t.ok(await jobs.progress(taskId, 1, report))
  t.ok(await jobs.progress(taskId, 1, report), 'said twice')
  const last = { ...report, number: 2, data: '{"value":0.9}' }
  await jobs.finish({ taskId, attempt: 1 }, completed, { ...ended, report: last })

  const types = (await redis.xrange(`${key}:events:${taskId}`, '-', '+')).map(
    ([, fields]) => fields[fields.indexOf('type') + 1] ?? fields[0]
  )
  t.equal(types.length, 4, `each is one event: ${types}`)
  t.notOk(await jobs.progress(taskId, 1, { ...last, number: 3 }), 'nothing comes after the end')
  t.notOk(await jobs.checkpoint(taskId, 1, '"late"'))
})

t.test('a checkpoint is what the next attempt begins with', { skip }, async (t) => {
  const { jobsOf, submit } = await openJobs(t)
  const [one, two] = [jobsOf('one'), jobsOf('two')]
  const taskId = await submit()
  await one.claim({ count: 1, capacity: 1 })
  await one.begin([taskId])
  t.ok(await one.checkpoint(taskId, 1, '{"page":3}'))
  await one.finish({ taskId, attempt: 1 }, { status: 'pending', reason: 'shutdown', delayMs: 0 }, ended)

  const { claimed } = await two.claim({ count: 1, capacity: 1 })
  t.match(claimed, [{ taskId, restored: '{"page":3}', requeues: 1 }])
})

t.test('a lease that has run out is lost: its attempt is somebody else’s to resolve', { skip }, async (t) => {
  const { jobsOf, submit, redis } = await openJobs(t)
  const [one, two] = [jobsOf('one'), jobsOf('two')]
  const taskId = await submit()
  await one.claim({ count: 1, capacity: 1 })
  await one.begin([taskId])
  for (const lock of await redis.keys('*:lock')) await redis.del(lock)

  // BullMQ looks once a second: it marks the job the first time, and makes it wait the second.
  const recover = async () => {
    for (const check of await redis.keys('*:stalled-check')) await redis.del(check)
    return two.recover()
  }
  t.strictSame(await recover(), [])
  const lost = await recover()
  t.match(lost, [{ taskId, type: 'any', attempt: 1, requeues: 0 }])
  t.match(await one.renew([{ taskId, attempt: 1 }]), { stops: [{ taskId, attempt: 1, cause: 'lost' }] })
  const outcome = { status: 'pending', reason: 'lost', delayMs: 0 } as const
  for (const attempt of lost) t.match(await two.finishLost(attempt, outcome, false), { status: 'pending' })
  t.match(await one.finish({ taskId, attempt: 1 }, completed, ended), { status: 'refused' })
  t.match((await two.claim({ count: 1, capacity: 1 })).claimed, [{ taskId, requeues: 1 }])
})

t.test('who waits for work is woken by a new task, and by another process', { skip }, async (t) => {
  const { jobsOf, submit } = await openJobs(t)
  const jobs = jobsOf('one')
  const wait = async (ms: number): Promise<boolean> => {
    for (;;) {
      try {
        return await jobs.waitForWork(ms)
      } catch {
        // Its own connection is not there yet.
        await nextTurn()
      }
    }
  }
  const woken = wait(2_000)
  await submit()
  t.ok(await woken)
  await jobs.claim({ count: 1, capacity: 1 })

  // A claim leaves word for the others, who may find more.
  await wait(1)
  t.notOk(await wait(1), 'the time is over')
  const wokenByOther = wait(2_000)
  await jobsOf('two').wakeAnother()
  t.ok(await wokenByOther)
})

t.test(
  'a task whose time has come is in the queue also while nobody has a free slot',
  { skip },
  async (t) => {
    const { jobsOf, submit, records } = await openJobs(t)
    const jobs = jobsOf('one')
    await submit({ runAt: Date.now() + 30 })
    t.strictSame(await records.pendingCounts(), { pending: 0, scheduled: 1 })

    while ((await records.pendingCounts()).scheduled > 0) await jobs.recover()
    t.strictSame(await records.pendingCounts(), { pending: 1, scheduled: 0 })
  }
)
