import type { Test } from 'tap'
import type { Notice } from '../src/embedded/messages.ts'
import { type StoreOptions, StoreService } from '../src/embedded/store-service.ts'
import { quietLog } from './helper.ts'

/** The service of a store in memory, in this thread, with two slots; and what it notified. */
export function openService(t: Test, options: Partial<StoreOptions> = {}) {
  const notices: Notice[] = []
  let removed = (_taskId: string) => {}
  const service = new StoreService(
    {
      path: ':memory:',
      sync: 'full',
      maxRunning: 2,
      maxPending: 100,
      retentionMs: 60_000,
      failedRetentionMs: 60_000,
      limits: new Map(),
      ...options
    },
    quietLog,
    (notice) => {
      notices.push(notice)
      if (notice[0] === 'removed') removed(notice[1])
    }
  )
  t.teardown(() => service.stop())
  const claims = () =>
    notices.flatMap((notice) => (notice[0] === 'claim' ? [{ number: notice[1], ...notice[2] }] : []))
  return {
    service,
    notices,
    /** The attempts that were claimed so far. */
    claims,
    /** Resolves after a transaction, which claims what free slots take. */
    transaction: () => service.takeShutdownReport(),
    /** The next followed task that is removed. */
    removed: () =>
      new Promise<string>((resolve) => {
        removed = resolve
      }),
    submit: (type: string, priority = 0, input = '1') => service.submit([{ type, input, priority }])
  }
}
