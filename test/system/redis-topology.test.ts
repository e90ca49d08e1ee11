import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startServer } from '../helper.ts'
import { durable, freePort, needsRedis, startRedis } from '../redis.ts'
import { Client } from './retrying-client.ts'
import { Witness } from './witness.ts'

t.setTimeout(180_000)

const skip = needsRedis()

const taskTypes = {
  'steps.mjs': `import { setTimeout as sleep } from 'node:timers/promises'
  export default {
    type: 'steps', description: 'Takes some steps.', input: {}, isolation: 'inline',
    async run ({ steps }, { progress, signal }) {
      for (let step = 1; step <= steps; step++) {
        await sleep(20, undefined, { signal })
        progress(step / steps)
      }
      return steps
    }
  }`
}

async function startPod(t: Test, url: string) {
  const pod = await startServer(t, { TASK_STORE_URL: url, TASKS_DIR: join(t.testdir(taskTypes), '.') })
  const client = new Client(() => pod.url)
  t.teardown(() => client.close())
  return { pod, witness: new Witness(client, { countingIds: false }) }
}

t.test('a Redis Cluster is used by way of any of its nodes', { skip }, async (t) => {
  const dirs = t.testdir({ a: {}, b: {}, c: {} })
  const nodes = []
  for (const name of ['a', 'b', 'c']) {
    // The bus has a port of its own, else 10,000 above the first.
    const bus = ['--cluster-enabled', 'yes', '--cluster-port', `${await freePort()}`]
    nodes.push(await startRedis(t, [...durable(join(dirs, name)), ...bus]))
  }
  const [first] = nodes
  if (!first) throw new Error('there are three nodes')
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  await first.command('--cluster', 'create', ...addresses, '--cluster-yes')
  while (!(await first.command('CLUSTER', 'INFO')).includes('cluster_state:ok')) await sleep(50)

  for (const node of nodes) {
    const { pod, witness } = await startPod(t, `${node.url}/?cluster=true`)
    const taskIds = []
    for (let n = 0; n < 10; n++)
      taskIds.push(await witness.start({ type: 'steps', input: { steps: 3 } }, `${node.port}-${n}`))
    for (const taskId of taskIds) t.equal(await witness.follow(taskId).done, 'ended')
    t.strictSame(await witness.verify(), [])
    pod.child.kill('SIGTERM')
    t.equal((await pod.exited)[0], 0)
  }
})

t.test('with Sentinel a pod finds the new primary, and what ran goes on', { skip }, async (t) => {
  const dirs = t.testdir({ primary: {}, replica: {}, sentinel: { 'sentinel.conf': '' } })
  const primary = await startRedis(t, durable(join(dirs, 'primary')))
  const replica = await startRedis(t, [
    ...durable(join(dirs, 'replica')),
    '--replicaof',
    `127.0.0.1 ${primary.port}`
  ])
  const sentinel = await startRedis(t, [], {
    file: join(dirs, 'sentinel', 'sentinel.conf'),
    text: [
      `sentinel monitor lastcall 127.0.0.1 ${primary.port} 1`,
      'sentinel down-after-milliseconds lastcall 1000',
      'sentinel failover-timeout lastcall 5000'
    ]
  })
  while (!(await primary.command('INFO', 'replication')).includes('state=online')) await sleep(50)
  while (!(await sentinel.command('SENTINEL', 'REPLICAS', 'lastcall')).includes(`${replica.port}`))
    await sleep(100)
  const { pod, witness } = await startPod(t, `${sentinel.url}/?sentinel=lastcall`)
  const taskId = await witness.start({ type: 'steps', input: { steps: 300 } }, 'task')
  const stream = witness.follow(taskId)
  await stream.seen(({ type }) => type === 'progress_update')
  // Replication is asynchronous: what the replica has not seen yet, a failover loses.
  await primary.command('WAIT', '1', '1000')

  await primary.stop('SIGKILL')
  t.equal(await stream.done, 'ended')

  t.match(await witness.read(taskId), { status: 'completed', attempt: 1, result: 300 })
  t.match(await replica.command('ROLE'), /^master/)
  const next = await witness.start({ type: 'steps', input: { steps: 1 } }, 'next')
  t.equal(await witness.follow(next).done, 'ended')
  pod.child.kill('SIGTERM')
  t.equal((await pod.exited)[0], 0)
})
