import t from 'tap'
import { resolveLost, resolveOutcome } from '../../src/resolve-outcome.ts'

const policies = {
  onShutdown: 'requeue',
  onLost: 'requeue',
  attempts: 2,
  backoffMs: (failure: number) => failure * 1000,
  maxRequeues: 3
} as const
const first = { failures: 0, requeues: 0 }
const error = { code: 'NO_STOCK', message: 'the shelf is empty' }

t.test('a result completes the task', async (t) => {
  t.same(resolveOutcome(policies, first, { end: { result: '1' } }, true), {
    outcome: { status: 'completed', result: '1' }
  })
})

t.test('a result that does not fit its schema fails the task, and is not tried again', async (t) => {
  const strict = { ...policies, checkOutput: () => 'result must be string' }

  const { outcome } = resolveOutcome(strict, first, { end: { result: '1' } }, true)

  t.same(outcome, {
    status: 'failed',
    error: { code: 'RESULT_INVALID', message: 'result must be string' }
  })
})

t.test('a thrown error is tried again after its backoff, as often as the type allows', async (t) => {
  const end = { error, stack: 'where' }

  t.same(resolveOutcome(policies, first, { end }, true), {
    outcome: { status: 'pending', reason: 'retry', delayMs: 1000, error },
    failure: { error, stack: 'where' }
  })
  t.same(resolveOutcome(policies, { failures: 1, requeues: 0 }, { end }, true), {
    outcome: { status: 'failed', error },
    failure: { error, stack: 'where' }
  })
})

t.test('a crash fails the task with what the worker died of, and is not tried again', async (t) => {
  const { outcome } = resolveOutcome(policies, first, { end: { crash: 'out of memory' } }, true)

  t.same(outcome, {
    status: 'failed',
    error: { code: 'TASK_WORKER_CRASHED', message: 'out of memory' }
  })
})

t.test('an aborted attempt is resolved by why it was aborted, whatever it returned', async (t) => {
  for (const aborted of ['client', 'timeout'] as const) {
    const { outcome } = resolveOutcome(policies, first, { end: { result: '1' }, aborted }, true)
    t.same(outcome, { status: 'cancelled', reason: aborted })
  }
})

t.test('a shutdown requeues a task whose type wants that, where somebody can run it again', async (t) => {
  const aborted = { end: { stopped: 'killed' }, aborted: 'shutdown' } as const
  const cancelled = { status: 'cancelled', reason: 'shutdown' }

  t.same(resolveOutcome(policies, first, aborted, true).outcome, {
    status: 'pending',
    reason: 'shutdown',
    delayMs: 0
  })
  t.same(resolveOutcome(policies, first, aborted, false).outcome, cancelled)
  t.same(resolveOutcome({ ...policies, onShutdown: 'cancel' }, first, aborted, true).outcome, cancelled)
})

t.test('a task fails when it was requeued as often as its type allows', async (t) => {
  const aborted = { end: { result: '1' }, aborted: 'shutdown' } as const
  const limit = { status: 'failed', error: { code: 'TASK_REQUEUE_LIMIT' } }

  t.match(resolveOutcome(policies, { failures: 0, requeues: 2 }, aborted, true).outcome, {
    status: 'pending'
  })
  t.match(resolveOutcome(policies, { failures: 0, requeues: 3 }, aborted, true).outcome, limit)
  t.match(resolveLost(policies, 3), limit)
})

t.test('an attempt whose process died fails unless its type is requeued', async (t) => {
  t.same(resolveLost(policies, 2), { status: 'pending', reason: 'lost', delayMs: 0 })
  for (const type of [{ ...policies, onLost: 'fail' as const }, undefined])
    t.match(resolveLost(type, 0), { status: 'failed', error: { code: 'TASK_INTERRUPTED' } })
})
