import { setTimeout as sleep } from 'node:timers/promises'
import type { Outcome, Submission, Submitted } from '../engine.ts'
import { TaskError } from '../errors.ts'
import { cancelledByClient } from '../outcome.ts'
import { nextPosition, taskIdAt } from '../task-id.ts'
import type { Attempts } from './attempts.ts'
import { retryMs } from './availability.ts'
import type { TaskRow } from './statements.ts'
import type { Store } from './store.ts'
import type { Transactions } from './transactions.ts'

interface QueueOptions {
  maxRunning: number
  maxPending: number
  /** How many attempts of a type may run at once. */
  limits: ReadonlyMap<string, number>
}

const maxDelayMs = 60_000
const parkedAtOnce = 200

/** Accepts tasks, and claims them for free slots: the store is the queue. */
export class Queue {
  isClaiming = false
  readonly #transactions: Transactions
  readonly #attempts: Attempts
  readonly #options: QueueOptions
  /** The position of the latest task. */
  #last: number
  #delayTimer: NodeJS.Timeout | undefined

  constructor(transactions: Transactions, attempts: Attempts, options: QueueOptions) {
    this.#transactions = transactions
    this.#attempts = attempts
    this.#options = options
    this.#last = transactions.store.last()
    // What may run at once may have changed since.
    transactions.store.unparkAll()
    attempts.listen(
      (row) => this.#unpark(row.type),
      () => this.armDelay()
    )
  }

  /** Part of a transaction. @throws TASK_QUEUE_FULL, IDEMPOTENCY_KEY_REUSED */
  submit(tasks: readonly Submission[]): Submitted[] {
    const { store, pending, scheduled } = this.#transactions
    // What may be refused is looked at before anything is written: a part of a batch must not stay behind.
    const used = usedBefore(store, tasks)
    const count = pending + scheduled
    if (count + tasks.length - used.filter((id) => id !== undefined).length > this.#options.maxPending)
      throw new TaskError('TASK_QUEUE_FULL', count)
    const submitted: Submitted[] = []
    for (const [index, task] of tasks.entries()) {
      const there = used[index]
      if (there === undefined) submitted.push({ taskId: this.#accept(task), replayed: false })
      else {
        const taskId = typeof there === 'string' ? there : submitted[there]?.taskId
        submitted.push({ taskId: taskId ?? '', replayed: true })
      }
    }
    return submitted
  }

  /** Part of a transaction: cancels a pending task, or asks for a running one to be. */
  cancel(row: TaskRow, outcome: Outcome = cancelledByClient): void {
    const { store, change, notify } = this.#transactions
    if (row.status === 'pending') {
      if (store.isScheduled(row.seq)) change.scheduled--
      else change.pending--
      this.#attempts.end(row, outcome)
      // It may have been the one that was to follow.
      this.#unpark(row.type)
    } else {
      store.requestCancel(row.seq)
      change.whenCommitted.push(() => {
        const attempt = this.#attempts.bySeq(row.seq)
        if (attempt) notify(['stop', attempt.number])
      })
    }
  }

  /** The last part of every transaction: free slots take what is next, so that a task starts with the commit that accepts it. */
  claim(): void {
    const { store, change } = this.#transactions
    const now = Date.now()
    while (this.isClaiming && this.#hasSlot() && this.#transactions.pending > 0) {
      if (!this.#parkBlocked()) return
      const row = store.claimNext(now)
      if (!row) return
      change.pending--
      // Only an earlier attempt can have left a checkpoint.
      this.#attempts.start(row, store.input(row), row.attempt > 1 ? store.checkpoint(row.seq) : undefined)
    }
  }

  /** Lets tasks whose time has come join the queue, when the first of them is due. */
  armDelay(): void {
    clearTimeout(this.#delayTimer)
    const inMs = this.#nextDelayedMs()
    if (inMs === undefined) return
    const release = async () => {
      const join = (store: Store) => {
        const due = store.releaseDelayed()
        this.#transactions.change.scheduled -= due
        this.#transactions.change.pending += due
      }
      await this.#transactions.write(join).catch(() => sleep(retryMs))
      this.armDelay()
    }
    // Looked at again now and then: the wall clock may be set, and a timer takes 24 days at most.
    this.#delayTimer = setTimeout(() => void release(), Math.min(maxDelayMs, inMs))
  }

  /** Undefined if no task is delayed. */
  #nextDelayedMs(): number | undefined {
    try {
      return this.#transactions.store.nextDelayed()
    } catch {
      // A disk that cannot be read must not end the thread, and with it all running tasks.
      return retryMs
    }
  }

  stop(): void {
    this.isClaiming = false
    clearTimeout(this.#delayTimer)
  }

  /** Inserts a task, which waits for its time or in the queue, or starts. */
  #accept(task: Submission): string {
    const { store, change } = this.#transactions
    const now = Date.now()
    this.#last = nextPosition(this.#last, now)
    const taskId = taskIdAt(this.#last)
    const isScheduled = task.runAt !== undefined && task.runAt > now
    // With a slot to spare, a task need not go through the queue.
    const isFirst = this.isClaiming && this.#transactions.pending === 0
    const startsNow = isFirst && !isScheduled && this.#hasSlot() && !this.#isFull(task.type)
    const row = store.insertTask(this.#last, taskId, task, startsNow ? 'running' : 'pending', now)
    if (this.#transactions.isWatching) {
      const runAt = row.run_at === null ? {} : { runAt: new Date(row.run_at).toISOString() }
      this.#transactions.noteChange(
        row,
        'task_accepted',
        now,
        JSON.stringify({ status: 'pending', ...runAt })
      )
    }
    if (startsNow) this.#attempts.start(row, task.input, undefined)
    else if (isScheduled) {
      change.scheduled++
      change.whenCommitted.push(() => this.armDelay())
    } else change.pending++
    return taskId
  }

  #hasSlot(): boolean {
    return this.#attempts.count() < this.#options.maxRunning
  }

  #unpark(type: string): void {
    if (this.#options.limits.has(type)) this.#transactions.store.unpark(type)
  }

  /** Takes tasks out of the way whose types run as often as they may. False if more of that is left to another turn. */
  #parkBlocked(): boolean {
    if (this.#options.limits.size === 0) return true
    const { store } = this.#transactions
    for (let count = 0; count < parkedAtOnce; count++) {
      const next = store.nextQueued()
      if (!next || !this.#isFull(next.type)) return true
      store.park(next.seq)
    }
    this.#transactions.schedule()
    return false
  }

  /** Whether as many tasks of a type run as may. */
  #isFull(type: string): boolean {
    const limit = this.#options.limits.get(type)
    return limit !== undefined && this.#attempts.countOf(type) >= limit
  }
}

/**
 * For each task the existing one that takes its place: the one that its idempotency key was used for or, with `retryOf.once`, the
 * earlier retry. A string is a task's id, a number an index in this batch, undefined a new task. @throws IDEMPOTENCY_KEY_REUSED
 */
function usedBefore(store: Store, tasks: readonly Submission[]): (string | number | undefined)[] {
  const inBatch = new Map<string, number>()
  return tasks.map(({ idempotency, retryOf }, index) => {
    if (retryOf?.once) return store.byId(retryOf.taskId)?.retried_as ?? undefined
    if (!idempotency) return undefined
    const { key, fingerprint, name = 'The key' } = idempotency
    const first = inBatch.get(key)
    const used = first === undefined ? store.byKey(key) : tasks[first]?.idempotency
    if (used && used.fingerprint !== fingerprint) throw new TaskError('IDEMPOTENCY_KEY_REUSED', name)
    if (first !== undefined) return first
    inBatch.set(key, index)
    return used && 'task_id' in used ? used.task_id : undefined
  })
}
