/** What becomes of an attempt: the rules that both engines keep. */
import type { Outcome } from './engine.ts'
import type { EventType } from './task.ts'

export const cancelledByClient: Outcome = { status: 'cancelled', reason: 'client' }

/** What an outcome becomes when a client's cancel was accepted before it was recorded: nothing else may undo that. */
export function afterCancel(outcome: Outcome): Outcome {
  return outcome.status === 'cancelled' ? outcome : cancelledByClient
}

/** The type of the event that tells an outcome, and its data as JSON text. */
export function outcomeEvent(outcome: Outcome): [EventType, string] {
  switch (outcome.status) {
    case 'completed':
      return ['task_completed', outcome.result]
    case 'failed':
      return ['task_failed', JSON.stringify(outcome.error)]
    case 'cancelled':
      return ['task_cancelled', JSON.stringify({ reason: outcome.reason })]
    case 'pending':
      return ['task_requeued', JSON.stringify({ reason: outcome.reason, error: outcome.error })]
  }
}
