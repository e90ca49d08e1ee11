import type { DatabaseSyncInstance } from '@photostructure/sqlite'
import type { ShutdownReport, Submission } from '../engine.ts'
import { steadyNow } from '../steady-clock.ts'
import { keptAttempts, type StoredAttempt } from '../stored.ts'
import { type FinalStatus, maxPriority, type TaskStatus } from '../task.ts'
import { positionOf } from '../task-id.ts'
import { EventLog } from './event-log.ts'
import { prepareAll, type RecordRow, type Statements, type SummaryRow, type TaskRow } from './statements.ts'

/** Why a pending task is not in the queue. */
const notDelayed = 0
const inBackoff = 1
const scheduled = 2

/** Characters of an input that is kept in its task's row, which is rewritten with each change of the task. */
const shortInput = 1000

const priorities = Array.from({ length: maxPriority + 1 }, (_, priority) => priority)

/**
 * Tasks as they are kept, one method a statement. Synchronous; transactions are the caller's. Times are epoch milliseconds.
 * The driver types rows as `any`; each method's return type says which columns its statement selects.
 */
export class Store {
  readonly events: EventLog
  readonly #sql: Statements

  constructor(db: DatabaseSyncInstance) {
    this.#sql = prepareAll(db)
    this.events = new EventLog(this.#sql)
  }

  /** A new task, which waits in the queue or, if a slot is free for it, is running at once. */
  insertTask(
    seq: number,
    task_id: string,
    task: Submission,
    status: 'pending' | 'running',
    now: number
  ): TaskRow {
    const isScheduled = task.runAt !== undefined && task.runAt > now
    const { key = null, fingerprint = null } = task.idempotency ?? {}
    const starts = status === 'running' ? 1 : 0
    const row: TaskRow = {
      seq,
      task_id,
      type: task.type,
      status,
      priority: task.priority,
      labels: task.labels ? JSON.stringify(task.labels) : null,
      attempt: starts,
      failures: 0,
      requeues: 0,
      cancel_requested: 0,
      progress: '',
      last_event: starts,
      created_at: now,
      ready_at: isScheduled ? (task.runAt ?? now) : steadyNow(),
      run_at: task.runAt ?? null,
      started_at: starts ? now : null,
      ended_at: null,
      request_id: task.requestId ?? null,
      traceparent: task.traceparent ?? null,
      retry_of: task.retryOf?.taskId ?? null,
      retried_as: null,
      fingerprint,
      input: task.input.length <= shortInput ? task.input : null
    }
    const { insertTask, insertInput } = this.#sql
    insertTask.run(
      ...[seq, task_id, row.type, status, row.priority, starts, starts, now, row.ready_at, row.started_at],
      ...[key, fingerprint, row.input, row.labels, row.run_at, isScheduled ? scheduled : notDelayed],
      ...[row.request_id, row.traceparent, row.retry_of]
    )
    if (row.retry_of !== null)
      this.#sql.setRetriedAs.run(task_id, positionOf(row.retry_of) ?? 0, row.retry_of)
    if (row.input === null) insertInput.run(seq, task.input)
    return row
  }

  /** The position of the latest task that is kept, or 0. */
  last(): number {
    return this.#sql.last.get()?.seq ?? 0
  }

  nextQueued(): { seq: number; type: string } | undefined {
    return this.#sql.nextQueued.get()
  }

  /** Takes a task out of the queue until one of its type may run. */
  park(seq: number): void {
    this.#sql.park.run(seq)
  }

  /** Lets the first parked task of a type join the queue again. */
  unpark(type: string): void {
    this.#sql.unpark.run(type)
  }

  unparkAll(): void {
    this.#sql.unparkAll.run()
  }

  /** The next task in the queue, which is now running, or undefined. */
  claimNext(now: number): TaskRow | undefined {
    return this.#sql.claimNext.get(now)
  }

  input({ seq, input }: Pick<TaskRow, 'seq' | 'input'>): string {
    return input ?? this.#sql.input.get(seq)?.input ?? 'null'
  }

  checkpoint(seq: number): string | undefined {
    return this.#sql.checkpoint.get(seq)?.state
  }

  saveCheckpoint(seq: number, state: string): void {
    this.#sql.saveCheckpoint.run(seq, state)
  }

  /** The id of the new event, or undefined if that attempt is over. */
  setProgress(seq: number, attempt: number, progress: string): number | undefined {
    return this.#sql.setProgress.get(progress, seq, attempt)?.last_event
  }

  /** The id of the final event, or undefined if the task has left the status or the attempt that it is ended from. */
  finish(
    { seq, status, attempt }: TaskRow,
    cancelRequested: boolean,
    to: FinalStatus,
    now: number
  ): number | undefined {
    const id = this.#sql.finish.get(
      to,
      now,
      steadyNow(),
      seq,
      status,
      attempt,
      cancelRequested ? 1 : 0
    )?.last_event
    if (id === undefined) return undefined
    this.#sql.deleteCheckpoint.run(seq)
    return id
  }

  /** The id of the `task_requeued` event, or undefined if that attempt is over. */
  requeue(
    { seq, attempt }: TaskRow,
    cancelRequested: boolean,
    counted: 'failures' | 'requeues',
    readyAt: number,
    delayed: boolean
  ): number | undefined {
    const [failures, requeues] = counted === 'failures' ? [1, 0] : [0, 1]
    const values = [failures, requeues, readyAt, delayed ? 1 : 0, seq, attempt, cancelRequested ? 1 : 0]
    return this.#sql.requeue.get(...values)?.last_event
  }

  /** Keeps an attempt after which its task was requeued. */
  keepAttempt(seq: number, { attempt, started_at, ended_at, data }: StoredAttempt): void {
    this.#sql.insertAttempt.run(seq, attempt, started_at, ended_at, data)
    if (attempt > keptAttempts) this.#sql.dropAttempt.run(seq, attempt - keptAttempts)
  }

  /** The attempts after which a task was requeued, in order. */
  requeuedAttempts({ seq, failures, requeues }: TaskRow): StoredAttempt[] {
    return failures + requeues > 0 ? this.#sql.attempts.all(seq) : []
  }

  isScheduled(seq: number): boolean {
    return this.#sql.delayed.get(seq)?.delayed === scheduled
  }

  requestCancel(seq: number): void {
    this.#sql.requestCancel.run(seq)
  }

  byId(taskId: string): RecordRow | undefined {
    const row: RecordRow | undefined = this.#sql.bySeq.get(positionOf(taskId) ?? 0)
    return row?.task_id === taskId ? row : undefined
  }

  /** What a reader of the task's events has to know. */
  position(taskId: string): Pick<TaskRow, 'seq' | 'status' | 'last_event'> | undefined {
    return this.#sql.position.get(positionOf(taskId) ?? 0, taskId)
  }

  byKey(key: string): { task_id: string; fingerprint: string } | undefined {
    return this.#sql.byKey.get(key)
  }

  /** Newest first, older than `before`. */
  page(before: number, limit: number): SummaryRow[] {
    return this.#sql.page.all(before, limit)
  }

  summary(seq: number): SummaryRow | undefined {
    return this.#sql.summary.get(seq)
  }

  /** What a search may have to know of a task beyond its type, status and labels. */
  searched(
    seq: number
  ): Pick<TaskRow, 'task_id' | 'created_at' | 'cancel_requested' | 'retried_as'> | undefined {
    return this.#sql.searched.get(seq)
  }

  /** The newest of a type and status, and of a label if there is one. */
  newest(
    label: string | undefined,
    type: string,
    status: TaskStatus,
    before: number,
    limit: number
  ): { seq: number }[] {
    if (label === undefined) return this.#sql.newest.all(type, status, before, limit)
    return this.#sql.newestOfLabel.all(label, type, status, before, limit)
  }

  /** The types that tasks have; each is one look into the index, however many tasks there are. */
  types(label?: string): string[] {
    const types: string[] = []
    const after = (type: string) =>
      (label === undefined ? this.#sql.nextType.get(type) : this.#sql.nextTypeOfLabel.get(label, type))
        ?.type ?? undefined
    for (let type = after(''); type !== undefined; type = after(type)) types.push(type)
    return types
  }

  deleteTask(seq: number): void {
    this.#sql.deleteTask.run(seq)
    this.#sql.deleteInput.run(seq)
    this.#sql.deleteAttempts.run(seq)
    this.events.delete(seq)
  }

  /** Finished tasks, the oldest first: completed and cancelled ones that ended by `time`; if none, failed ones by `failedTime`. */
  endedBefore(time: number, failedTime: number, limit: number): { seq: number; task_id: string }[] {
    const ended = this.#sql.endedBefore.all(time, limit)
    return ended.length > 0 ? ended : this.#sql.failedBefore.all(failedTime, limit)
  }

  running(): TaskRow[] {
    const rows: TaskRow[] = this.types().flatMap((type) => this.#sql.running.all(type))
    return rows.sort((a, b) => a.seq - b.seq)
  }

  /** Some pending tasks, whether they wait for their time or for a slot. */
  pending(limit: number): TaskRow[] {
    const waiting: TaskRow[] = this.#sql.waiting.all(limit)
    return waiting.length > 0 ? waiting : this.#sql.waitingForTime.all(limit)
  }

  countPending(): { pending: number; scheduled: number } {
    const delayed = (why: number) => this.#sql.countDelayed.get(why)?.n ?? 0
    const queued = this.#sql.countQueued.get()?.n ?? 0
    return { pending: queued + delayed(inBackoff), scheduled: delayed(scheduled) }
  }

  /**
   * When the task that has waited longest for a slot became ready, by the steady clock; undefined if none waits. It is the first
   * of its priority in the queue, or the first parked one of its type.
   */
  oldestReady(): number | undefined {
    const first = [
      ...priorities.map((priority) => this.#sql.firstQueued.get(priority)),
      ...this.types().map((type) => this.#sql.firstParked.get(type))
    ]
    const readyAt = Math.min(...first.map((row) => row?.ready_at ?? Number.POSITIVE_INFINITY))
    return Number.isFinite(readyAt) ? readyAt : undefined
  }

  /** Lets the delayed tasks that are due join the queue; how many of them were scheduled. */
  releaseDelayed(): number {
    const now = steadyNow()
    this.#sql.releaseDelayed.run(now, inBackoff, now)
    return this.#sql.releaseDelayed.run(now, scheduled, Date.now()).changes
  }

  /** In how many milliseconds the next delayed task is due: a scheduled one by the wall clock, another by the steady one. */
  nextDelayed(): number | undefined {
    const due = (why: number, now: number) =>
      (this.#sql.nextDelayed.get(why)?.at ?? Number.POSITIVE_INFINITY) - now
    const inMs = Math.min(due(inBackoff, steadyNow()), due(scheduled, Date.now()))
    return Number.isFinite(inMs) ? Math.max(0, inMs) : undefined
  }

  setMeta(key: string, value: ShutdownReport | number): void {
    this.#sql.setMeta.run(key, JSON.stringify(value))
  }

  /** The value of a key, which is forgotten. */
  takeMeta(key: string): unknown {
    const value = this.#sql.takeMeta.get(key)?.value
    return value === undefined ? undefined : JSON.parse(value)
  }
}
