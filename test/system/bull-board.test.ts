import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { FastifyAdapter } from '@bull-board/fastify'
import { Queue } from 'bullmq'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { needsRedis } from '../redis.ts'
import { taskFiles } from '../task-files.ts'
import { setUpPods } from './pods.ts'

t.setTimeout(120_000)

const skip = needsRedis()

const types = {
  ...taskFiles('gated'),
  'failing.mjs': `export default {
    type: 'failing', description: 'Fails once, and waits long.', input: {}, isolation: 'inline', attempts: 2, backoffSeconds: 600,
    async run (input, { attempt }) {
      if (attempt === 1) throw new Error('not yet')
      return attempt
    }
  }`
}

interface ShownJob {
  id: string
  name: string
  data: unknown
}

/** A board on the queue of a pod with one slot, which is taken. */
async function setUp(t: Test) {
  const service = await setUpPods(t, types, { MAX_WORKERS: '1' })
  const pod = await service.start()
  const queue = new Queue('tasks', {
    prefix: '{lastcall}',
    connection: { host: '127.0.0.1', port: service.redis.port }
  })
  const app = Fastify()
  const adapter = new FastifyAdapter()
  createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter: adapter })
  await app.register(adapter.registerPlugin())
  t.teardown(async () => {
    await app.close()
    await queue.close()
  })
  const call = async (method: 'GET' | 'PUT' | 'PATCH' | 'POST', path: string, payload?: object) => {
    const answer = await app.inject({ method, url: `/api/queues${path}`, ...(payload && { payload }) })
    return { status: answer.statusCode, body: answer.body }
  }
  const shown = async (status: string): Promise<ShownJob[]> => {
    const { body } = await call('GET', `?activeQueue=tasks&status=${status}&page=1`)
    return JSON.parse(body).queues[0].jobs
  }
  const start = async (key: string, input: object = { gate: service.gate }, type = 'gated') => {
    return service.witness.start({ type, input }, key)
  }
  const running = await start('running')
  await service.witness.follow(running).seen(({ type }) => type === 'task_started')
  /** Lets all tasks run, and asserts that each ends as if nobody had touched the queue. */
  const allComplete = async () => {
    await service.openGate()
    for (const taskId of service.witness.taskIds) {
      t.equal(await service.witness.follow(taskId).done, 'ended')
      t.match(await service.witness.read(taskId), { status: 'completed' })
    }
    t.strictSame(await service.witness.verify(), [])
    t.strictSame(await queue.getJobCounts('active', 'waiting', 'prioritized', 'delayed'), {
      active: 0,
      waiting: 0,
      prioritized: 0,
      delayed: 0
    })
  }
  return { ...service, pod, queue, call, shown, start, running, allComplete }
}

t.test('Bull Board shows waiting, delayed and active tasks with their input', { skip }, async (t) => {
  const { shown, start, running, gate, witness, openGate, queue, pod } = await setUp(t)
  const waiting = await start('waiting')
  const large = await start('large', { gate, text: 'x'.repeat(2_000) })
  t.match(await shown('active'), [{ id: running, name: 'gated', data: { gate } }])
  t.match(
    (await shown('prioritized')).sort((a, b) => (a.id < b.id ? -1 : 1)),
    [
      { id: waiting, data: { gate } },
      { id: large, data: { inputBytes: Number } }
    ]
  )
  await openGate()
  await witness.follow(large).done
  const delayed = await start('delayed', {}, 'failing')
  await witness.follow(delayed).seen(({ type }) => type === 'task_requeued')
  t.match(await shown('delayed'), [{ id: delayed, name: 'failing' }])

  const counts = await queue.getJobCounts('active', 'prioritized', 'delayed', 'waiting')
  t.strictSame(counts, { active: 0, prioritized: 0, delayed: 1, waiting: 0 })
  const ours = await (await fetch(`${pod.url}/metrics`)).text()
  const pending = Number(/^task_pending (\d+)/m.exec(ours)?.[1])
  const theirs = await queue.exportPrometheusMetrics()
  const exported = [
    ...theirs.matchAll(/^bullmq_job_count\{[^}]*state="(prioritized|delayed|waiting)"[^}]*\} (\d+)/gm)
  ]
  t.ok(exported.length >= 3)
  t.equal(
    exported.reduce((sum, [, , count]) => sum + Number(count), 0),
    pending,
    'both say how many wait'
  )
})

t.test('what is clicked in Bull Board does no harm to tasks that wait', { skip }, async (t) => {
  const { call, start, allComplete } = await setUp(t)
  const [one, two, three] = [await start('one'), await start('two'), await start('three')]
  t.equal((await call('PUT', `/tasks/${one}/clean`)).status, 204, 'remove')
  t.equal((await call('PUT', `/tasks/${two}/retry`)).status, 400, 'it did not fail')
  t.equal((await call('PUT', `/tasks/${three}/promote`)).status, 500, 'it is not delayed')
  t.equal((await call('PUT', '/tasks/clean/prioritized')).status, 200, 'clean')
  await start('four')
  t.equal((await call('PUT', '/tasks/empty')).status, 200, 'empty')
  await start('five')
  t.equal((await call('PUT', '/tasks/obliterate')).status, 400, 'obliterate: the queue is not paused')
  t.equal((await call('POST', '/tasks/add', { name: 'x', data: {}, options: {} })).status, 200, 'add')
  await allComplete()
})

t.test(
  'a running task cannot be removed in Bull Board, and loses nothing by the attempt',
  { skip },
  async (t) => {
    const { call, running, allComplete } = await setUp(t)
    t.equal((await call('PUT', `/tasks/${running}/clean`)).status, 409)
    await call('PUT', '/tasks/clean/active')
    await call('PUT', `/tasks/${running}/retry`)
    await allComplete()
  }
)

t.test('a delayed task that is removed or promoted in Bull Board ends as it should', { skip }, async (t) => {
  const { call, start, witness, openGate, allComplete } = await setUp(t)
  await openGate()
  const [removed, promoted] = [await start('removed', {}, 'failing'), await start('promoted', {}, 'failing')]
  for (const taskId of [removed, promoted])
    await witness.follow(taskId).seen(({ type }) => type === 'task_requeued')
  t.equal((await call('PUT', `/tasks/${removed}/clean`)).status, 204)
  t.equal((await call('PUT', `/tasks/${promoted}/promote`)).status, 204)
  await allComplete()
})

t.test('pausing the queue in Bull Board pauses all pods, until it is resumed there', { skip }, async (t) => {
  const { call, start, allComplete, witness } = await setUp(t)
  t.equal((await call('PUT', '/tasks/pause')).status, 200)
  const waiting = await start('waiting')
  t.match(await witness.read(waiting), { status: 'pending' })
  t.equal((await call('PUT', '/tasks/resume')).status, 200)
  await allComplete()
})
