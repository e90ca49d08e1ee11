import { setTimeout as sleep } from 'node:timers/promises'
import type { Outcome } from '../engine.ts'
import { TaskError } from '../errors.ts'
import { afterCancel, outcomeEvent } from '../outcome.ts'
import { steadyNow } from '../steady-clock.ts'
import { retryMs } from './availability.ts'
import type { TaskRow } from './statements.ts'
import type { Transactions } from './transactions.ts'

/** An attempt that runs; its number names it on both sides of the thread. */
export interface Attempt {
  number: number
  row: TaskRow
  /** Progress that could not be written. */
  unsent: Progress | undefined
}

interface Progress {
  /** JSON text. */
  data: string
  at: number
}

/** The attempts that run: their start, progress, checkpoints and outcomes. */
export class Attempts {
  readonly #transactions: Transactions
  readonly #running = new Map<number, Attempt>()
  #numbers = 0
  #isOpen = true
  #onEnd: (row: TaskRow) => void = () => {}
  #onBackoff = () => {}

  constructor(transactions: Transactions) {
    this.#transactions = transactions
  }

  /** `onEnd` is part of the transaction in which an attempt releases its slot, `onBackoff` follows a commit. */
  listen(onEnd: (row: TaskRow) => void, onBackoff: () => void): void {
    this.#onEnd = onEnd
    this.#onBackoff = onBackoff
  }

  /** How many attempts run, the transaction under way included. */
  count(): number {
    const { claimed, released } = this.#transactions.change
    return this.#running.size - released + claimed
  }

  countOf(type: string): number {
    const { started, ended } = this.#transactions.change
    const count = (types: Iterable<string>) => [...types].filter((one) => one === type).length
    const running = count([...this.#running.values()].map(({ row }) => row.type))
    return running + count(started) - count(ended)
  }

  bySeq(seq: number): Attempt | undefined {
    for (const attempt of this.#running.values()) if (attempt.row.seq === seq) return attempt
    return undefined
  }

  start(row: TaskRow, input: string, restored: string | undefined): void {
    const { change, notify } = this.#transactions
    const at = row.started_at ?? Date.now()
    this.#transactions.append(row, row.last_event, 'task_started', `{"attempt":${row.attempt}}`, at)
    const number = ++this.#numbers
    change.whenCommitted.push(() => {
      this.#running.set(number, { number, row, unsent: undefined })
      const { task_id: taskId, type, attempt, failures, requeues } = row
      const claim = {
        ...{ taskId, type, input, attempt, failures, requeues, restored },
        labels: row.labels === null ? undefined : JSON.parse(row.labels),
        requestId: row.request_id ?? undefined,
        traceparent: row.traceparent ?? undefined,
        waitedMs: Math.max(0, steadyNow() - row.ready_at)
      }
      notify(['claim', number, claim])
    })
    change.whenDurable.push(() => notify(['durable', number]))
    change.claimed++
    change.started.push(row.type)
  }

  async progress(number: number, data: string, at: number): Promise<void> {
    const attempt = this.#running.get(number)
    if (!attempt) return
    const progress = { data, at }
    attempt.unsent = progress
    await this.#transactions.write(() => {
      this.#writeProgress(attempt.row, progress)
      this.#transactions.change.whenCommitted.push(() => {
        if (attempt.unsent === progress) attempt.unsent = undefined
      })
    }, 'lazy')
  }

  /** A store that is away is waited for: the task goes on, and would only lose what it has done. @throws ATTEMPT_LOST */
  async saveCheckpoint(number: number, state: string): Promise<void> {
    const attempt = this.#running.get(number)
    while (attempt && this.#isCurrent(attempt)) {
      const { seq, attempt: count, task_id: taskId } = attempt.row
      try {
        return await this.#transactions.write((store) => {
          if (!this.#isCurrent(attempt)) throw new TaskError('ATTEMPT_LOST', count, taskId)
          store.saveCheckpoint(seq, state)
        })
      } catch (error) {
        if (!(error instanceof TaskError) || error.code !== 'STORE_UNAVAILABLE') throw error
        await sleep(retryMs)
      }
    }
    throw new TaskError('ATTEMPT_LOST', attempt?.row.attempt ?? 0, attempt?.row.task_id ?? '')
  }

  /** Writes an outcome, however long the store refuses it: the work is done and must not be lost. */
  async finish(number: number, outcome: Outcome, endedAt: number): Promise<void> {
    const attempt = this.#running.get(number)
    let hasFailed = false
    // Once it is committed it is not written again, even if nobody knows for a while whether it is durable.
    while (attempt && this.#isCurrent(attempt)) {
      const { row, unsent } = attempt
      const { pending, notify } = this.#transactions
      try {
        return await this.#transactions.write(
          () => {
            // The last progress comes before the end, also if its own transaction failed.
            if (hasFailed && unsent) this.#writeProgress(row, unsent)
            this.end(row, outcome, endedAt, number)
            const { change } = this.#transactions
            change.released++
            change.ended.push(row.type)
            this.#onEnd(row)
            change.whenCommitted.unshift(() => {
              this.#running.delete(number)
              notify(['released', row.task_id])
            })
          },
          pending > 0 ? 'urgent' : 'normal'
        )
      } catch {
        hasFailed = true
        await sleep(retryMs)
      }
    }
  }

  /**
   * Ends an attempt, or a pending task: record and event together, unless the attempt is over already. Whether a cancel
   * was accepted is read from the record: it may have come in this very transaction.
   */
  end(row: TaskRow, outcome: Outcome, endedAt = Date.now(), number?: number): void {
    if (!this.#endAs(row, false, outcome, endedAt, number))
      this.#endAs(row, true, afterCancel(outcome), endedAt, number, outcome)
  }

  /** What is under way is not tried again. */
  stop(): void {
    this.#isOpen = false
  }

  #isCurrent({ number }: Attempt): boolean {
    return this.#isOpen && this.#running.has(number)
  }

  #writeProgress(row: TaskRow, { data, at }: Progress): void {
    const id = this.#transactions.store.setProgress(row.seq, row.attempt, data)
    if (id !== undefined) this.#transactions.append(row, id, 'progress_update', data, at)
  }

  /**
   * Ends the attempt if a cancel is requested for its task as `cancelRequested` says. False, with nothing written, if not, or if
   * the attempt is over.
   */
  #endAs(
    row: TaskRow,
    cancelRequested: boolean,
    outcome: Outcome,
    endedAt: number,
    number: number | undefined,
    own = outcome
  ): boolean {
    const { store, change, notify } = this.#transactions
    const [type, data] = outcomeEvent(outcome)
    const startedAt = row.status === 'running' ? row.started_at : null
    let id: number | undefined
    if (outcome.status === 'pending') {
      const counted = outcome.reason === 'retry' ? 'failures' : 'requeues'
      const delayed = outcome.delayMs > 0
      id = store.requeue(row, cancelRequested, counted, steadyNow() + Math.round(outcome.delayMs), delayed)
      if (id === undefined) return false
      const { attempt } = row
      store.keepAttempt(row.seq, { attempt, started_at: startedAt ?? endedAt, ended_at: endedAt, data })
      change.pending++
      if (delayed) change.whenCommitted.push(() => this.#onBackoff())
    } else {
      id = store.finish(row, cancelRequested, outcome.status, endedAt)
      if (id === undefined) return false
    }
    this.#transactions.append(row, id, type, data, endedAt)
    const requestId = row.request_id ?? undefined
    const task = { taskId: row.task_id, type: row.type, attempt: row.attempt, requestId, endedAt }
    const ended = startedAt === null ? task : { ...task, startedAt }
    // A result is long, and known where the attempt ran.
    const changed = number !== undefined && own === outcome ? undefined : outcome
    change.whenDurable.push(() => notify(['ended', number, ended, changed]))
    return true
  }
}
