import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { spawnServer, startServer } from '../helper.ts'
import { Load, loadTypes } from './load.ts'
import { chooseSeed, seededRandom } from './random.ts'
import { Client } from './retrying-client.ts'
import { Witness } from './witness.ts'

t.setTimeout(240_000)

const kills = 12
const seed = chooseSeed()

t.test(`what was promised is kept over ${kills} kills under load (LASTCALL_SEED=${seed})`, async (t) => {
  t.comment(`LASTCALL_SEED=${seed}`)
  const random = seededRandom(seed)
  const dir = t.testdir({ types: loadTypes, steps: {} })
  const env = {
    TASK_STORE_URL: `sqlite:${join(dir, 'tasks.db')}`,
    TASKS_DIR: join(dir, 'types'),
    MAX_WORKERS: '6'
  }
  let server = await startServer(t, env)
  const client = new Client(() => server.url)
  t.teardown(() => client.close())
  const witness = new Witness(client, { countingIds: true })

  const kill = async () => {
    server.child.kill('SIGKILL')
    await server.exited
  }
  const restart = async () => {
    server = await startServer(t, env)
  }

  const load = new Load({ witness, random, seed, stepsDir: join(dir, 'steps') })
  for (let killed = 0; killed < kills; killed++) {
    await sleep(random.below(600))
    await kill()
    if (killed % 5 === 4) {
      const starting = spawnServer(t, env)
      await sleep(random.below(600))
      starting.child.kill('SIGKILL')
      await starting.exited
    }
    await restart()
  }
  await load.stop()

  await kill()
  await restart()
  const problems = await witness.verify()
  await kill()
  await restart()
  await load.check(t, problems)
})
