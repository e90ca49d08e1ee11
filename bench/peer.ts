import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Contender, Sample } from './measure.ts'
import { hasRedis, startRedis } from './redis.ts'

/** A program of the folder `peers` that measures itself: it gets `{ seconds, …question }` and answers with a sample. */
export function selfMeasured(
  name: string,
  { program, question, targets }: { program: string; question: object; targets?: Contender['targets'] }
): Contender {
  return {
    name,
    ...(targets && { targets }),
    async setUp() {
      const redis = program.startsWith('bullmq') ? await startRedis() : undefined
      const env = { PATH: process.env.PATH ?? '', REDIS_PORT: String(redis?.port) }
      const child = fork(fileURLToPath(new URL(`peers/${program}.mjs`, import.meta.url)), {
        env,
        execArgv: []
      })
      const kill = () => child.kill('SIGKILL')
      process.once('exit', kill)
      return {
        async measure(seconds) {
          child.send({ seconds, ...question })
          const [sample]: Sample[] = await once(child, 'message')
          return sample ?? {}
        },
        async close() {
          process.off('exit', kill)
          kill()
          await redis?.stop()
        }
      }
    }
  }
}

/** The contenders of a row without those that need a Redis, where there is none. */
export function withRedis(contenders: Contender[]): Contender[] {
  return hasRedis ? contenders : []
}
