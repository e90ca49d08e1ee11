import type { Test } from 'tap'
import { cancelTests } from './engine-suite/cancel.ts'
import { claimTests } from './engine-suite/claim.ts'
import { finishTests } from './engine-suite/finish.ts'
import { followTests } from './engine-suite/follow.ts'
import { direct, type Network, type OpenEngine, starter } from './engine-suite/harness.ts'
import { largeTests } from './engine-suite/large.ts'
import { listTests } from './engine-suite/list.ts'
import { memoryTests } from './engine-suite/memory.ts'
import { recoveryTests } from './engine-suite/recovery.ts'
import { requeueTests } from './engine-suite/requeue.ts'
import { retentionTests } from './engine-suite/retention.ts'
import { submitTests } from './engine-suite/submit.ts'

/** What every engine promises, on a kind of store of its own; `network` is what lies between the engine and its store. */
export function engineSuite(t: Test, makeStore: () => OpenEngine, network: Network = direct): void {
  const start = starter(makeStore)
  submitTests(t, start)
  claimTests(t, start, network)
  finishTests(t, start)
  requeueTests(t, start, network)
  cancelTests(t, start)
  followTests(t, start, network)
  largeTests(t, start, network)
  listTests(t, start)
  retentionTests(t, start, network)
  recoveryTests(t, start, network)
  // It measures this process, which runs one test at a time then.
  if (network === direct) memoryTests(t, start)
}
