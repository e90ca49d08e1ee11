import type { Outcome } from '../engine.ts'
import { afterCancel } from '../outcome.ts'
import type { Finished } from './jobs.ts'
import type { Slot } from './slots.ts'
import type { Worker } from './worker.ts'

/** Records the outcome of an attempt, however long Redis refuses it, and claims for the slot that it releases. */
export async function finish(worker: Worker, slot: Slot, outcome: Outcome): Promise<void> {
  const { slots, jobs } = worker
  const { task, begun } = slot
  if (!begun) throw new Error(`task ${task.taskId} has not begun`)
  if (slot.stop.cause === 'lost') {
    // Whoever claims the task next resolves the attempt. If that is this process, the outcome of its abort would be taken.
    discardOutcome(worker, slot)
    slots.delete(slot)
    return
  }
  const endedAt = performance.now()
  const attempt = { taskId: task.taskId, attempt: begun.attempt }
  await worker.persist(
    () => slots.has(slot),
    async () => {
      // With the slot that this task releases.
      const count = worker.claiming ? slots.free + 1 : 0
      await worker.claim(count, async () => {
        const finished = await jobs.finish(attempt, outcome, {
          agoMs: performance.now() - endedAt,
          report: slot.report?.acknowledged ? undefined : slot.report,
          claim: { count, capacity: slots.capacity }
        })
        notifyHost(worker, slot, outcome, finished)
        slots.delete(slot)
        return finished
      })
    }
  )
}

/** Notifies the host of what was recorded. */
function notifyHost(worker: Worker, slot: Slot, outcome: Outcome, finished: Finished): void {
  const { taskId, type, requestId } = slot.task
  const { attempt = 0, startedAt = 0 } = slot.begun ?? {}
  const { endedAt } = finished
  // Refused: recorded already, perhaps, by the same command, whose answer was lost.
  const status = finished.status === 'refused' ? finished.recorded : finished.status
  const recorded = [outcome, afterCancel(outcome)].find((one) => one.status === status)
  if (!recorded) discardOutcome(worker, slot)
  else worker.host.attemptEnded({ taskId, type, attempt, requestId, startedAt, endedAt }, recorded)
}

function discardOutcome({ host, log }: Worker, { task: { taskId, type }, begun }: Slot): void {
  const attempt = begun?.attempt ?? 0
  log.warn(
    { taskId, type, attempt },
    'this process lost the lease of the task; another one resolves the attempt, and the outcome here is discarded'
  )
  host.attemptLost(taskId, attempt)
}
