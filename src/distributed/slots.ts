import { Stop } from '../stop.ts'
import type { BegunAttempt, ClaimedTask, ProgressReport } from './jobs.ts'

/** A claimed task in its slot, from its claim until its outcome is recorded. */
export interface Slot {
  readonly task: ClaimedTask
  readonly stop: Stop<'client' | 'lost'>
  /** Set once its attempt has begun. */
  begun: BegunAttempt | undefined
  /** The latest progress, and whether Redis has acknowledged it. */
  report: (ProgressReport & { acknowledged: boolean }) | undefined
}

/** The slots of one process: a claimed task has one, and a claim under way reserves as many as it may fill. */
export class Slots {
  readonly capacity: number
  readonly #slots = new Map<string, Slot>()
  #reserved = 0
  #changed = () => {}

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get free(): number {
    return Math.max(0, this.capacity - this.#slots.size - this.#reserved)
  }

  /** What is claimed, with attempt 0 before that has begun. */
  known(): { taskId: string; attempt: number }[] {
    return [...this.#slots].map(([taskId, { begun }]) => ({ taskId, attempt: begun?.attempt ?? 0 }))
  }

  get(taskId: string): Slot | undefined {
    return this.#slots.get(taskId)
  }

  /** Whether the task still has that slot. */
  has(slot: Slot): boolean {
    return this.#slots.get(slot.task.taskId) === slot
  }

  add(task: ClaimedTask): Slot {
    const slot: Slot = { task, stop: new Stop(), begun: undefined, report: undefined }
    this.#slots.set(task.taskId, slot)
    return slot
  }

  delete(slot: Slot): void {
    if (this.has(slot)) this.#slots.delete(slot.task.taskId)
    this.#changed()
  }

  reserve(count: number): void {
    this.#reserved += count
  }

  /** Frees what was reserved, before what was claimed takes its slots. */
  unreserve(count: number): void {
    this.#reserved -= count
  }

  /** Wakes what waits for a change. */
  notify(): void {
    this.#changed()
  }

  /** Resolves when a slot may have become free. For one waiter. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve
    })
  }
}
