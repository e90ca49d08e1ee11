/** Rules about outcomes that both engines share. */
import type { Outcome } from './engine.ts'
import type { EventType } from './task.ts'

export const cancelledByClient: Outcome = { status: 'cancelled', reason: 'client' }

/** The outcome of an attempt whose task was cancelled before the outcome was recorded: an accepted cancel always wins. */
export function afterCancel(outcome: Outcome): Outcome {
  return outcome.status === 'cancelled' ? outcome : cancelledByClient
}

/** The event that reports an outcome: its type, and its data as JSON text. */
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
