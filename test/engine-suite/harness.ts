import type { Test } from 'tap'
import type { Claim, Engine, EngineHost, Events, Outcome, Submission, TaskChange } from '../../src/engine.ts'
import type { TaskEvent, UnparsedRecord } from '../../src/task.ts'

export interface EngineOptions {
  maxRunning: number
  maxPending: number
  retentionMs: number
  failedRetentionMs: number
}

/** Opens an engine on one and the same store, each time anew: opening again after `stop` is a restart. */
export type OpenEngine = (options: EngineOptions) => Engine

/** What lies between an engine and its store. */
export interface Network {
  /** The longest that one operation takes on its way. */
  roundTripMs: number
  /** The largest input or result that passes it in the time of a request. */
  payloadBytes: number
  /** Whether connections are cut, so that what is only published may be missed. */
  cuts: boolean
}

/** None, or one that is not noticed. */
export const direct: Network = { roundTripMs: 0, payloadBytes: 4_000_000, cuts: false }

interface Attempt {
  claim: Claim
  finish: (outcome: Outcome) => void
}

export const completed = (result: unknown = null): Outcome => ({
  status: 'completed',
  result: JSON.stringify(result)
})

/** A host whose runs are finished by the test; what the engine reports to it can be looked at and waited for. */
function testHost(
  lost: Outcome = { status: 'failed', error: { code: 'TASK_INTERRUPTED', message: 'lost' } }
) {
  const attempts: Attempt[] = []
  const ended: { taskId: string; outcome: Outcome }[] = []
  const changes: TaskChange[] = []
  let missed = false
  let resolve = () => {}
  let reported = new Promise<void>((done) => (resolve = done))
  const notify = () => {
    resolve()
    reported = new Promise<void>((done) => (resolve = done))
  }
  const until = async <T>(look: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      await reported
    }
  }
  const host: EngineHost = {
    limits: new Map([['limited', 2]]),
    run: (claim) =>
      new Promise((finish) => {
        attempts.push({ claim, finish })
        notify()
      }),
    resolveLost: () => lost,
    slotReleased: () => {},
    attemptEnded: ({ taskId }, outcome) => {
      ended.push({ taskId, outcome })
      notify()
    },
    attemptLost: () => {},
    committed: () => {},
    changed: (change) => {
      changes.push(change)
      notify()
    },
    changesMissed: () => {
      missed = true
      notify()
    }
  }
  return {
    host,
    attempts,
    changes,
    /** The changes that the engine published, when there are as many, unless it says that some were missed. */
    changed: (count: number) =>
      until(() => (missed ? 'missed' : changes.length >= count ? changes : undefined)),
    /** The n-th attempt that the engine started, counted from 0. */
    attempt: (n: number) => until(() => attempts[n]),
    /** The outcomes of a task, when there are as many. */
    outcomes: (taskId: string, count = 1) =>
      until(() => {
        const mine = ended.filter((entry) => entry.taskId === taskId).map(({ outcome }) => outcome)
        return mine.length >= count ? mine : undefined
      })
  }
}

const defaults: EngineOptions = {
  maxRunning: 2,
  maxPending: 1000,
  retentionMs: 600_000,
  failedRetentionMs: 600_000
}

/** Starts engines, each on a store of its own, which are stopped with their tests. */
export function starter(makeStore: () => OpenEngine) {
  return async (t: Test, options: Partial<EngineOptions> = {}) => {
    const open = makeStore()
    const engine = open({ ...defaults, ...options })
    const test = testHost()
    await engine.start(test.host)
    engine.setClaiming(true)
    t.teardown(() => engine.stop())
    const submit = async (task: Partial<Submission> = {}) =>
      (await submitOne(engine, { type: 'work', input: '{}', priority: 0, ...task })).taskId
    /** Stops the engine and opens the store again, as another process would. */
    const restart = async (lost?: Outcome, more: Partial<EngineOptions> = {}) => {
      await engine.stop()
      const next = open({ ...defaults, ...options, ...more })
      const nextTest = testHost(lost)
      await next.start(nextTest.host)
      next.setClaiming(true)
      t.teardown(() => next.stop())
      return { ...nextTest, engine: next }
    }
    return { ...test, engine, submit, restart }
  }
}

export type StartEngine = ReturnType<typeof starter>

/** Reports progress as a runner does, which logs a report that cannot be written. */
export function report(claim: Claim, value: number, text: string): void {
  claim.progress(value, text, Date.now()).catch(() => {})
}

export const never = () => new AbortController().signal

export async function* flatten(events: Events): AsyncGenerator<TaskEvent> {
  for await (const batch of events) yield* batch
}

/** All events of a task up to its final one. */
export async function history(engine: Engine, taskId: string, after?: string): Promise<TaskEvent[]> {
  const events = await engine.follow(taskId, after, never())
  const all: TaskEvent[] = []
  if (events !== 'ended') for await (const event of flatten(events)) all.push(event)
  return all
}

export const typesOf = (events: TaskEvent[]) => events.map(({ type }) => type)
export const timesOf = (events: TaskEvent[], type: string) =>
  events.filter((event) => event.type === type).map(({ json }) => JSON.parse(json).timestamp)
export const dataOf = (event: TaskEvent | undefined) => JSON.parse(event?.json ?? 'null')?.data

export function required(record: UnparsedRecord | undefined): UnparsedRecord {
  if (!record) throw new Error('there is no such task')
  return record
}

export async function submitOne(engine: Engine, task: Submission) {
  const [submitted] = await engine.submit([task])
  if (!submitted) throw new Error('nothing was submitted')
  return submitted
}

export const unknownId = '01890000-0000-7000-8000-000000000000'
