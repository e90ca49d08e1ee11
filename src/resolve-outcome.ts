/** Resolves the outcome of an attempt from how its run ended and from the policies of its type. */
import type { Claim, Outcome } from './engine.ts'
import type { RunResult } from './runner.ts'
import type { ErrorInfo } from './task.ts'
import type { LoadedTaskType } from './task-types.ts'

type Policies = Pick<
  LoadedTaskType,
  'onShutdown' | 'onLost' | 'attempts' | 'backoffMs' | 'maxRequeues' | 'checkOutput'
>

/** The outcome, and the error that operators read whole if the attempt failed. */
interface Resolved {
  outcome: Outcome
  failure?: { error: ErrorInfo; stack?: string | undefined }
}

/** `canRequeue` is false for a store that is gone with the process: nobody would run the task again. */
export function resolveOutcome(
  type: Policies,
  { failures, requeues }: Pick<Claim, 'failures' | 'requeues'>,
  { end, aborted }: RunResult,
  canRequeue: boolean
): Resolved {
  if (aborted === 'shutdown') {
    if (type.onShutdown === 'requeue' && canRequeue) return { outcome: requeue('shutdown', requeues, type) }
    return { outcome: { status: 'cancelled', reason: 'shutdown' } }
  }
  // The engine does not record the outcome of an attempt that was lost, whatever it is.
  if (aborted)
    return { outcome: { status: 'cancelled', reason: aborted === 'timeout' ? 'timeout' : 'client' } }
  if ('result' in end) {
    const problem = type.checkOutput?.(end.result)
    if (problem === undefined) return { outcome: { status: 'completed', result: end.result } }
    // Another attempt would hardly return something else.
    return failed({ code: 'RESULT_INVALID', message: problem })
  }
  if ('error' in end) {
    const { error, stack } = end
    if (failures + 1 >= type.attempts) return failed(error, stack)
    const delayMs = type.backoffMs(failures + 1)
    return { outcome: { status: 'pending', reason: 'retry', delayMs, error }, failure: { error, stack } }
  }
  const { crash = 'The task was stopped', stack } = 'crash' in end ? end : {}
  return failed({ code: 'TASK_WORKER_CRASHED', message: crash }, stack)
}

/** The outcome of an attempt whose process died. */
export function resolveLost(
  type: Pick<Policies, 'onLost' | 'maxRequeues'> | undefined,
  requeues: number
): Outcome {
  if (type?.onLost === 'requeue') return requeue('lost', requeues, type)
  const message = 'The process that ran the task died'
  return { status: 'failed', error: { code: 'TASK_INTERRUPTED', message } }
}

function requeue(
  reason: 'shutdown' | 'lost',
  requeues: number,
  { maxRequeues }: Pick<Policies, 'maxRequeues'>
): Outcome {
  if (requeues < maxRequeues) return { status: 'pending', reason, delayMs: 0 }
  const message = `The task was requeued ${requeues} times and may not be requeued again`
  return { status: 'failed', error: { code: 'TASK_REQUEUE_LIMIT', message } }
}

function failed(error: ErrorInfo, stack?: string): Resolved {
  return { outcome: { status: 'failed', error }, failure: { error, stack } }
}
