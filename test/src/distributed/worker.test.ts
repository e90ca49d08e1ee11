import t, { type Test } from 'tap'
import { Availability } from '../../../src/distributed/availability.ts'
import { Worker } from '../../../src/distributed/worker.ts'
import type { Outcome } from '../../../src/engine.ts'
import { quietLog } from '../../helper.ts'
import { needsRedis } from '../../redis.ts'
import { heldHost } from './held-host.ts'
import { openJobs } from './open-jobs.ts'

const skip = needsRedis()
const completed: Outcome = { status: 'completed', result: '"done"' }

/** A worker with a host that runs tasks until the test ends them. */
async function startWorker(t: Test, maxRunning: number) {
  const opened = await openJobs(t)
  const availability = new Availability(quietLog)
  availability.renewed()
  const jobs = opened.jobsOf('one')
  const { host, ...held } = heldHost()
  const worker = new Worker({ availability, jobs, host, maxRunning, log: quietLog })
  t.teardown(() => worker.stop())
  return { ...opened, ...held, jobs, worker }
}

t.test('runs as many tasks as it has slots, and the next when one has ended', { skip }, async (t) => {
  const { worker, runs, ended, until, submit, records } = await startWorker(t, 2)
  const ids = [await submit(), await submit(), await submit()]
  worker.setClaiming(true)
  await until(() => runs.length === 2)
  t.equal(worker.slots.free, 0)

  runs[0]?.end(completed)
  await until(() => runs.length === 3 && ended.length === 1)
  t.strictSame(
    runs.map(({ claim }) => claim.taskId),
    ids
  )
  t.match(await records.get(ids[0] ?? ''), { status: 'completed', result: '"done"' })
})

t.test('a worker that does not claim leaves tasks where they are', { skip }, async (t) => {
  const { worker, runs, until, submit } = await startWorker(t, 1)
  await submit()
  t.equal(runs.length, 0)
  worker.setClaiming(true)
  await until(() => runs.length === 1)
})

t.test('an attempt that Redis begins while the worker stops is given back', { skip }, async (t) => {
  const { worker, jobs, submit, records, runs } = await startWorker(t, 1)
  const begin = jobs.begin.bind(jobs)
  let answer = () => {}
  const begun = new Promise<void>((resolve) => {
    jobs.begin = async (taskIds) => {
      const attempts = await begin(taskIds)
      resolve()
      // On its way for a while.
      await new Promise<void>((arrive) => (answer = arrive))
      return attempts
    }
  })
  const taskId = await submit()
  worker.setClaiming(true)
  await begun
  t.match(await records.get(taskId), { status: 'running' })

  const stopped = worker.stop()
  answer()
  await stopped
  t.match(await records.get(taskId), { status: 'pending', attempt: 1 })
  t.equal(runs.length, 0, 'it has not run')
})

t.test('a cancel reaches the task that runs here', { skip }, async (t) => {
  const { worker, runs, until, submit } = await startWorker(t, 1)
  const taskId = await submit()
  worker.setClaiming(true)
  await until(() => runs.length === 1)
  const cause = new Promise((resolve) => runs[0]?.claim.stop.listen(resolve))
  worker.cancel('another')
  worker.cancel(taskId)
  t.equal(await cause, 'client')
})
