import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { DistributedEngine } from '../../src/distributed/engine.ts'
import type { Log } from '../../src/log.ts'
import { type Contender, quantile, type Row } from '../measure.ts'
import { selfMeasured, withRedis } from '../peer.ts'
import { startRedis } from '../redis.ts'

const inFlight = 64
const input = JSON.stringify({ part: 'R1', quantity: 10, text: 'x'.repeat(100) })
const quiet: Log = { debug() {}, info() {}, warn() {}, error: console.error, child: () => quiet }

/** The engine alone, as BullMQ is measured alone: no HTTP, no task types, but records, events and an idle reader. */
async function startEngine() {
  const redis = await startRedis()
  const url = `redis://127.0.0.1:${redis.port}`
  const engine = new DistributedEngine({
    url,
    prefix: randomUUID(),
    maxRunning: inFlight,
    maxPending: 1_000_000,
    retentionMs: 600_000,
    failedRetentionMs: 600_000,
    log: quiet
  })
  const ended = new Map<string, () => void>()
  const early = new Set<string>()
  let started: (at: number) => void = () => {}
  await engine.start({
    run: async () => {
      started(performance.now())
      return { status: 'completed', result: 'null' }
    },
    slotReleased: () => {},
    resolveLost: () => ({ status: 'cancelled', reason: 'shutdown' }),
    attemptEnded: ({ taskId }) => {
      const end = ended.get(taskId)
      if (end) end()
      else early.add(taskId)
    },
    attemptLost: () => {},
    committed: () => {},
    changed: () => {},
    changesMissed: () => {}
  })
  engine.setClaiming(true)
  const submit = async () => (await engine.submit([{ type: 'no-op', input, priority: 0 }]))[0]?.taskId ?? ''
  const client = new Redis(url)
  const numberIn = async (section: string, pattern: RegExp) =>
    Number(pattern.exec(await client.info(section))?.[1] ?? 0)
  return {
    submit,
    /** Resolves when a new task's end is written. */
    async run() {
      const taskId = await submit()
      // It may have ended before its acceptance was heard of.
      if (early.delete(taskId)) return
      await new Promise<void>((resolve) => ended.set(taskId, resolve))
      ended.delete(taskId)
    },
    onStart: (listener: (at: number) => void) => {
      started = listener
    },
    commands: () => numberIn('commandstats', /cmdstat_evalsha:calls=(\d+)/),
    memory: () => numberIn('memory', /used_memory:(\d+)/),
    async close() {
      await engine.stop()
      client.disconnect()
      await redis.stop()
    }
  }
}

const life: Contender = {
  name: 'lastcall, distributed',
  async setUp() {
    const { run, commands, memory, close } = await startEngine()
    return {
      async measure(seconds) {
        const [commandsBefore, memoryBefore] = [await commands(), await memory()]
        const startedAt = performance.now()
        const until = startedAt + seconds * 1000
        let count = 0
        const loop = async () => {
          while (performance.now() < until) {
            await run()
            count++
          }
        }
        await Promise.all(Array.from({ length: inFlight }, loop))
        const rate = count / ((performance.now() - startedAt) / 1000)
        return {
          'tasks/s': rate,
          'commands each': ((await commands()) - commandsBefore) / count,
          'bytes kept each': ((await memory()) - memoryBefore) / count
        }
      },
      close
    }
  }
}

const pickup: Contender = {
  name: 'lastcall, distributed',
  async setUp() {
    const { submit, onStart, close } = await startEngine()
    return {
      async measure(seconds) {
        const until = performance.now() + seconds * 1000
        const times: number[] = []
        while (performance.now() < until) {
          const running = new Promise<number>((resolve) => onStart(resolve))
          const acceptedAt = performance.now()
          await submit()
          times.push((await running) - acceptedAt)
          await sleep(10)
        }
        return { 'p50 ms': quantile(times, 0.5), 'p99 ms': quantile(times, 0.99) }
      },
      close
    }
  }
}

/** The target: 0.75 of a queue that keeps no history and streams nothing. */
export const distributedRows: Row[] = [
  {
    title: 'distributed: life of a no-op, accept → final event written, 64 in flight',
    contenders: [
      life,
      selfMeasured('plain BullMQ, add → completed', {
        program: 'bullmq',
        question: { what: 'life' },
        targets: { 'tasks/s': { min: 0.75 } }
      })
    ]
  },
  {
    title: 'distributed: pickup, idle',
    contenders: [
      pickup,
      selfMeasured('plain BullMQ, add → active', {
        program: 'bullmq',
        question: { what: 'pickup' },
        targets: { 'p50 ms': { max: 1.2 } }
      })
    ]
  }
].filter(({ contenders }) => withRedis(contenders).length > 0)
