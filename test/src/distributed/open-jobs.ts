import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { Availability } from '../../../src/distributed/availability.ts'
import { Connection } from '../../../src/distributed/connection.ts'
import { Jobs } from '../../../src/distributed/jobs.ts'
import { Records } from '../../../src/distributed/records.ts'
import type { Submission } from '../../../src/engine.ts'
import { newTaskId } from '../../../src/task-id.ts'
import { quietLog } from '../../helper.ts'
import { startRedis } from '../../redis.ts'

const key = '{test}'

/** What the engine is made of, on a Redis of its own, without the loops that use it. */
export async function openJobs(t: Test) {
  const { url } = await startRedis(t)
  const redis = new Redis(url)
  t.teardown(() => redis.disconnect())
  const availability = new Availability(quietLog)
  availability.renewed()
  const connection = new Connection(url, key, availability, quietLog)
  t.teardown(() => connection.close())
  const records = new Records(connection, key)
  return {
    key,
    redis,
    connection,
    records,
    /** The jobs as the process of that name sees them. */
    jobsOf: (owner: string) => {
      const jobs = new Jobs(connection, key, owner)
      t.teardown(() => jobs.close())
      return jobs
    },
    submit: async (task: Partial<Submission> = {}, maxPending = 100): Promise<string> => {
      const taskId = newTaskId()
      await records.submit([{ taskId, task: { type: 'any', input: '1', priority: 0, ...task } }], maxPending)
      return taskId
    }
  }
}
