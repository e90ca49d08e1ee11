import type { Test } from 'tap'
import { needsRedis, startRedis } from './redis.ts'

/** Both engines, each with the settings that make the service use it, on a store of the test's own. */
export const engines: {
  engine: string
  skip: string | false
  storeFor(t: Test): Promise<Record<string, string>>
}[] = [
  {
    engine: 'embedded',
    skip: false,
    storeFor: async (t) => ({ TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db` })
  },
  {
    engine: 'distributed',
    skip: needsRedis(),
    storeFor: async (t) => ({ TASK_STORE_URL: (await startRedis(t)).url })
  }
]
