import { setMaxListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Test } from 'tap'
import type { Engine } from '../../src/engine.ts'
import { never, type StartEngine } from './harness.ts'

/** Reads a task that has begun until it is silent; `ended` resolves when there will be nothing more. */
async function follow(engine: Engine, taskId: string, signal: AbortSignal) {
  const events = await engine.follow(taskId, undefined, signal)
  if (events === 'ended') throw new Error('the task has ended')
  const batches = events[Symbol.asyncIterator]()
  await batches.next() // task_started
  return { ended: batches.next().catch(() => {}) } // the engine may stop first
}

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

function heapInUse(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

export function memoryTests(t: Test, start: StartEngine): void {
  t.test('readers that stop following a silent task, which others follow, free their memory', async (t) => {
    const { engine, submit, attempt } = await start(t)
    const taskId = await submit()
    await attempt(0)
    await follow(engine, taskId, never()) // stays
    const followAndStop = async (count: number) => {
      const stopping = new AbortController()
      setMaxListeners(0, stopping.signal)
      const readers = await Promise.all(
        Array.from({ length: count }, () => follow(engine, taskId, stopping.signal))
      )
      stopping.abort()
      await Promise.all(readers.map(({ ended }) => ended))
    }

    const bytes: number[] = []
    for (let phase = 0; phase < 4; phase++) {
      const before = heapInUse()
      for (let round = 0; round < 60; round++) await followAndStop(50)
      bytes.push(Math.round((heapInUse() - before) / 3_000))
    }

    // All but what the machine keeps for itself at first.
    t.ok(Math.min(...bytes) < 60, `${bytes.join(', ')} bytes are left of each`)
  })
}
