import { setTimeout as sleep } from 'node:timers/promises'
import { makeSilentDisk } from '../../test/system/silent-disk.ts'
import { Connection, getText, postText } from '../connection.ts'
import type { Row } from '../measure.ts'
import { startLastcall } from '../program.ts'

const silentMs = 2_000
const task = postText('/api/tasks', { type: 'no-op-inline', input: {} })

/** The longest that a probe waited while syncs took two seconds, on a disk in memory whose syncs were quick before. */
async function longestWait(): Promise<number> {
  const disk = makeSilentDisk('sync')
  const program = await startLastcall(disk.env)
  const [client, probe] = [new Connection(program.port), new Connection(program.port)]
  for (let n = 0; n < 200; n++) await client.request(task)

  disk.silence()
  const until = performance.now() + silentMs
  const starting = client.request(task)
  let longest = 0
  while (performance.now() < until) {
    const askedAt = performance.now()
    await probe.request(getText('/healthz'))
    longest = Math.max(longest, performance.now() - askedAt)
    await sleep(2)
  }
  disk.answer()
  await starting

  client.close()
  probe.close()
  await program.stop()
  disk.remove()
  return longest
}

export const silentDiskRow: Row = {
  title: 'a disk that is silent for 2 s',
  limits: { 'longest wait of a probe, ms': { max: 50 } },
  rounds: { quick: 1, full: 7 },
  contenders: [
    {
      name: 'lastcall',
      setUp: async () => ({
        measure: async () => ({ 'longest wait of a probe, ms': await longestWait() }),
        close: async () => {}
      })
    }
  ]
}
