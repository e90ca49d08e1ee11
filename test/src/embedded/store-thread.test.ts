import type { Worker } from 'node:worker_threads'
import t from 'tap'
import { heldTask, startApp, urlOf } from '../../helper.ts'

t.test('a store thread that dies is a store that is away, and the process ends in its time', async (t) => {
  const threads: Worker[] = []
  const note = (thread: Worker) => void threads.push(thread)
  process.on('worker', note)
  t.teardown(() => process.off('worker', note))
  const held = heldTask()
  const app = await startApp(t, { types: [held.type] })
  // Some Nodes tell of their own thread for module hooks, too.
  const thread = threads.find((one) => one.listenerCount('message') > 0)
  const { taskId } = await app.tasks.startTask({ type: 'held', input: {} })
  const run = await held.started()

  const events = await app.tasks.events(taskId, undefined, new AbortController().signal)
  const watching = new AbortController()
  const changes = await app.tasks.watch({ labels: [], progress: true }, watching.signal)
  await thread?.terminate()
  watching.abort()
  for await (const _ of changes) t.fail('nothing comes any more')

  await t.rejects(app.tasks.startTask({ type: 'held', input: {} }), { code: 'STORE_UNAVAILABLE' })
  const response = await fetch(`${urlOf(app)}/api/tasks/${taskId}`)
  t.equal(response.status, 503)
  t.equal((await fetch(`${urlOf(app)}/readyz`)).status, 503)
  t.match(await (await fetch(`${urlOf(app)}/metrics`)).text(), /^task_store_up 0$/m)
  t.ok(run.ctx.signal.aborted, 'nothing that it does could be recorded')
  await t.rejects(run.ctx.checkpoint(1))
  t.not(events, 'ended')
  await app.close()
})
