/**
 * Uses an embedded engine as the service does, writes down each fact that somebody was told, and dies: a process for a
 * recorder to watch. Arguments: the path of the store, that of the facts, a seed, and `STORE_SYNC`.
 */
import { openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { EmbeddedEngine } from '../../src/embedded/engine.ts'
import type { Claim, Outcome } from '../../src/engine.ts'
import type { TaskStatus } from '../../src/task.ts'
import { quietLog } from '../helper.ts'
import { seededRandom } from './random.ts'

/** What was told about a task; `removing` and `cancelling` are no facts yet, but from then on both may be found. */
export type Fact =
  | { what: 'accepted'; taskId: string; key: string; input: string }
  | { what: 'event'; taskId: string; id: number; json: string }
  | { what: 'ended'; taskId: string; status: TaskStatus; result: string | undefined }
  | { what: 'began'; taskId: string; attempt: number }
  | { what: 'checkpoint'; taskId: string; state: number }
  | { what: 'cancelled' | 'removing' | 'removed'; taskId: string }

export const lost = (): Outcome => ({ status: 'pending', reason: 'lost', delayMs: 0 })

async function main(path: string, factsPath: string, seed: number, sync: 'full' | 'normal'): Promise<void> {
  const facts = openSync(factsPath, 'a')
  const tell = (fact: Fact) => writeSync(facts, `${JSON.stringify(fact)}\n`)
  const random = seededRandom(seed)
  const engine = new EmbeddedEngine({
    ...{ path, sync, log: quietLog, maxRunning: 4, maxPending: 10_000 },
    ...{ retentionMs: 3_600_000, failedRetentionMs: 3_600_000 }
  })

  const run = async (claim: Claim): Promise<Outcome> => {
    const { taskId, attempt } = claim
    await claim.durable
    tell({ what: 'began', taskId, attempt })
    for (let state = Number(claim.restored ?? 0) + 1; state <= 3; state++) {
      claim.progress(state / 3, `step ${state}`, Date.now()).catch(() => {})
      if (claim.stop.cause) break
      await claim.checkpoint(String(state)).then(
        () => tell({ what: 'checkpoint', taskId, state }),
        () => {}
      )
      if (random.next() < 0.5) await sleep(1)
    }
    if (random.next() < 0.2 && attempt < 3) return { status: 'pending', reason: 'shutdown', delayMs: 0 }
    if (random.next() < 0.2) return { status: 'failed', error: { code: 'E', message: 'unlucky' } }
    return { status: 'completed', result: JSON.stringify(`${taskId} ${'r'.repeat(random.below(3_000))}`) }
  }
  const host = {
    run,
    resolveLost: lost,
    slotReleased() {},
    attemptLost() {},
    committed() {},
    changed() {},
    changesMissed() {},
    attemptEnded({ taskId }: { taskId: string }, outcome: Outcome) {
      if (outcome.status === 'pending') return
      const result = outcome.status === 'completed' ? outcome.result : undefined
      tell({ what: 'ended', taskId, status: outcome.status, result })
    }
  }

  const follow = async (taskId: string) => {
    const events = await engine.follow(taskId, undefined, new AbortController().signal)
    if (events === 'ended') return
    for await (const batch of events)
      for (const { id, json } of batch) tell({ what: 'event', taskId, id: Number(id), json })
  }
  const use = async (n: number) => {
    const key = `key ${n}`
    const input = JSON.stringify(String(n).repeat(random.below(10_000)))
    const idempotency = { key, fingerprint: key }
    const submitted = await engine.submit([{ type: 'work', input, priority: 0, idempotency }])
    const taskId = submitted[0]?.taskId ?? ''
    tell({ what: 'accepted', taskId, key, input })
    if (random.next() < 0.5) void follow(taskId).catch(() => {})
    await sleep(random.below(30))
    if (random.next() < 0.2) {
      await engine.cancel(taskId)
      tell({ what: 'cancelled', taskId })
    }
    await sleep(random.below(30))
    const record = await engine.get(taskId)
    if (record && ['completed', 'failed', 'cancelled'].includes(record.status)) {
      tell({ what: 'ended', taskId, status: record.status, result: record.result })
      if (random.next() < 0.3) {
        tell({ what: 'removing', taskId })
        await engine.remove(taskId)
        tell({ what: 'removed', taskId })
      }
    }
  }

  await engine.start(host)
  engine.setClaiming(true)
  for (let n = 0; n < 400; n += 20) {
    const some = Array.from({ length: 20 }, (_, k) => use(n + k))
    // The store is away for a moment; what comes then is not accepted, and is not told.
    for (const { status } of await Promise.allSettled(some)) if (status === 'rejected') await sleep(20)
  }
  process.kill(process.pid, 'SIGKILL')
}

const [path, facts = '', seed, sync] = process.argv.slice(2)
if (path && process.argv[1]?.endsWith('acknowledged-tasks.ts'))
  await main(path, facts, Number(seed), sync === 'normal' ? 'normal' : 'full')
