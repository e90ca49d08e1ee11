import type { Claim, EngineHost, Outcome } from '../../../src/engine.ts'

/** A host whose tasks run until the test ends them, and what it was told. */
export function heldHost() {
  const runs: { claim: Claim; end: (outcome: Outcome) => void }[] = []
  const ended: { taskId: string; status: string }[] = []
  const lost: { taskId: string; attempt: number }[] = []
  let changed = () => {}
  const host: EngineHost = {
    run: (claim) =>
      new Promise((end) => {
        runs.push({ claim, end })
        changed()
      }),
    resolveLost: () => ({ status: 'pending', reason: 'lost', delayMs: 0 }),
    slotReleased() {},
    attemptEnded({ taskId }, { status }) {
      ended.push({ taskId, status })
      changed()
    },
    attemptLost: (taskId, attempt) => lost.push({ taskId, attempt }),
    committed() {},
    changed() {},
    changesMissed() {}
  }
  /** Resolves when that is true, which is looked at whenever a task has begun or ended. */
  const until = async (isTrue: () => boolean) => {
    while (!isTrue()) await new Promise<void>((resolve) => (changed = resolve))
  }
  return { host, runs, ended, lost, until }
}
