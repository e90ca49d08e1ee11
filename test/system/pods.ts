import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startServer } from '../helper.ts'
import { durable, startRedis } from '../redis.ts'
import { Client } from './retrying-client.ts'
import { Witness } from './witness.ts'

export type Pod = Awaited<ReturnType<typeof startServer>>

/** A Redis of their own, task types, a gate, and a witness who asks any of the pods that are in service. */
export async function setUpPods(
  t: Test,
  types: Record<string, string>,
  settings: Record<string, string> = {},
  choose: (pods: readonly Pod[]) => Pod | undefined = ([first]) => first
) {
  const dir = t.testdir({ types, redis: {}, steps: {} })
  const redis = await startRedis(t, durable(join(dir, 'redis')))
  const env = { TASK_STORE_URL: redis.url, TASKS_DIR: join(dir, 'types'), ...settings }
  const pods: Pod[] = []
  // An address at which nobody listens, while there is no pod.
  const client = new Client(() => choose(pods)?.url ?? 'http://127.0.0.1:1')
  t.teardown(() => client.close())
  const witness = new Witness(client, { countingIds: false })
  const start = async (more: Record<string, string> = {}) => {
    const pod = await startServer(t, { ...env, ...more })
    pods.push(pod)
    return pod
  }
  /** Asks it no more. */
  const retire = (pod: Pod) => {
    pods.splice(pods.indexOf(pod), 1)
  }
  const gate = join(dir, 'gate')
  return { dir, redis, env, pods, start, retire, client, witness, gate, openGate: () => writeFile(gate, '') }
}

/** A witness's client for one pod. */
export const clientOf = (t: Test, pod: Pod): Client => {
  const client = new Client(() => pod.url)
  t.teardown(() => client.close())
  return client
}
