import { keptEvents } from '../stored.ts'
import { isFinalEvent } from '../task.ts'
import type { EventRow, Statements } from './statements.ts'

/** Characters of a final event's data that are kept with it: SQLite reads what is longer whenever it looks for an event near it. */
const shortResult = 1000

/** The events of each task, whose ids count from 1. Synchronous; transactions are the caller's. */
export class EventLog {
  readonly #sql: Statements

  constructor(sql: Statements) {
    this.#sql = sql
  }

  append(seq: number, event: EventRow): void {
    const isLong = event.data.length > shortResult && isFinalEvent(event.type)
    this.#sql.insertEvent.run(seq, event.id, event.type, event.at, isLong ? '' : event.data)
    if (isLong) this.#sql.insertResult.run(seq, event.data)
    if (event.type === 'progress_update' && event.id > keptEvents)
      this.#sql.dropProgress.run(seq, event.id - keptEvents)
  }

  /** Up to `limit` events after an id, in order. */
  after(seq: number, id: number, limit: number): EventRow[] {
    const events: EventRow[] = []
    // Most readers come for one or two; the driver's all() takes as long as four times get().
    while (events.length < Math.min(limit, 3)) {
      const event: EventRow | undefined = this.#sql.eventAfter.get(seq, events.at(-1)?.id ?? id)
      if (!event) return events
      events.push(event)
    }
    return events.concat(this.#sql.eventsAfter.all(seq, events.at(-1)?.id, limit - events.length))
  }

  delete(seq: number): void {
    this.#sql.deleteEvents.run(seq)
    this.#sql.deleteResult.run(seq)
  }
}
