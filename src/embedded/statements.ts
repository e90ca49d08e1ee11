/** The SQL of the store, and the rows that it selects. */
import type { DatabaseSyncInstance } from '@photostructure/sqlite'
import type { StoredTask } from '../stored.ts'
import type { EventType, TaskStatus } from '../task.ts'

/** A row of `tasks`: the columns of migrations.ts. */
export interface TaskRow {
  seq: number
  task_id: string
  type: string
  status: TaskStatus
  priority: number
  attempt: number
  failures: number
  requeues: number
  cancel_requested: number
  progress: string
  last_event: number
  labels: string | null
  created_at: number
  ready_at: number
  run_at: number | null
  started_at: number | null
  ended_at: number | null
  request_id: string | null
  traceparent: string | null
  retry_of: string | null
  retried_as: string | null
  fingerprint: string | null
  input: string | null
}

/** With the data of its final event, if it has ended. */
export type RecordRow = TaskRow & { final_data: string | null }

/** What a list shows of a task; `final_data` only of one that failed or was cancelled. */
export type SummaryRow = StoredTask & { seq: number }

export interface EventRow {
  id: number
  type: EventType
  at: number
  data: string
}

const eventData = `CASE WHEN e.data = '' THEN (SELECT r.data FROM results r WHERE r.seq = e.seq) ELSE e.data END AS data`
const final = 'LEFT JOIN events e ON e.seq = t.seq AND e.id = t.last_event'
const records = `SELECT t.*, coalesce(r.data, e.data) AS final_data FROM tasks t ${final} AND t.ended_at IS NOT NULL
  LEFT JOIN results r ON r.seq = t.seq`
// Neither results nor inputs are even looked at.
const summaries = `SELECT t.seq, t.task_id, t.type, t.status, t.progress, t.attempt, t.priority, t.created_at, t.started_at,
    t.ended_at, t.labels, t.run_at, t.request_id, t.retry_of, t.retried_as, coalesce(r.data, e.data) AS final_data
  FROM tasks t ${final} AND t.status IN ('failed', 'cancelled')
  LEFT JOIN results r ON r.seq = e.seq`

export type Statements = ReturnType<typeof prepareAll>

export function prepareAll(db: DatabaseSyncInstance) {
  return {
    insertTask: db.prepare(
      `INSERT INTO tasks (seq, task_id, type, status, priority, attempt, last_event, created_at, ready_at, started_at,
         idempotency_key, fingerprint, input, labels, run_at, delayed, request_id, traceparent, retry_of)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
    ),
    setRetriedAs: db.prepare('UPDATE tasks SET retried_as = ? WHERE seq = ? AND task_id = ?'),
    delayed: db.prepare('SELECT delayed FROM tasks WHERE seq = ?'),
    searched: db.prepare('SELECT task_id, created_at, cancel_requested, retried_as FROM tasks WHERE seq = ?'),
    newestOfLabel: db.prepare(
      'SELECT seq FROM labels WHERE label = ? AND type = ? AND status = ? AND seq < ? ORDER BY seq DESC LIMIT ?'
    ),
    nextTypeOfLabel: db.prepare('SELECT min(type) AS type FROM labels WHERE label = ? AND type > ?'),
    last: db.prepare('SELECT max(seq) AS seq FROM tasks'),
    insertInput: db.prepare('INSERT INTO inputs (seq, input) VALUES (?, ?)'),
    nextQueued: db.prepare(
      `SELECT seq, type FROM tasks INDEXED BY tasks_queue WHERE status = 'pending' AND delayed = 0
       ORDER BY priority DESC, seq LIMIT 1`
    ),
    park: db.prepare('UPDATE tasks SET delayed = -1 WHERE seq = ?'),
    unpark: db.prepare(
      `UPDATE tasks SET delayed = 0 WHERE seq = (
         SELECT seq FROM tasks INDEXED BY tasks_parked WHERE type = ? AND delayed = -1
         ORDER BY priority DESC, seq LIMIT 1
       )`
    ),
    unparkAll: db.prepare('UPDATE tasks SET delayed = 0 WHERE delayed = -1'),
    claimNext: db.prepare(
      `UPDATE tasks SET status = 'running', attempt = attempt + 1, started_at = ?, progress = '', last_event = last_event + 1
       WHERE seq = (
         -- Named, so that no planner ever sorts all that is pending.
         SELECT seq FROM tasks INDEXED BY tasks_queue WHERE status = 'pending' AND delayed = 0
         ORDER BY priority DESC, seq LIMIT 1
       )
       RETURNING *`
    ),
    input: db.prepare('SELECT input FROM inputs WHERE seq = ?'),
    deleteInput: db.prepare('DELETE FROM inputs WHERE seq = ?'),
    checkpoint: db.prepare('SELECT state FROM checkpoints WHERE seq = ?'),
    saveCheckpoint: db.prepare(
      'INSERT INTO checkpoints (seq, state) VALUES (?, ?) ON CONFLICT (seq) DO UPDATE SET state = excluded.state'
    ),
    deleteCheckpoint: db.prepare('DELETE FROM checkpoints WHERE seq = ?'),
    setProgress: db.prepare(
      `UPDATE tasks SET progress = ?, last_event = last_event + 1
       WHERE seq = ? AND attempt = ? AND status = 'running' RETURNING last_event`
    ),
    finish: db.prepare(
      `UPDATE tasks SET status = ?, ended_at = ?, kept_since = ?, delayed = 0, last_event = last_event + 1
       WHERE seq = ? AND status = ? AND attempt = ? AND cancel_requested = ? RETURNING last_event`
    ),
    requeue: db.prepare(
      `UPDATE tasks SET status = 'pending', failures = failures + ?, requeues = requeues + ?, ready_at = ?,
         delayed = ?, last_event = last_event + 1
       WHERE seq = ? AND attempt = ? AND status = 'running' AND cancel_requested = ? RETURNING last_event`
    ),
    insertAttempt: db.prepare(
      'INSERT INTO attempts (seq, attempt, started_at, ended_at, data) VALUES (?, ?, ?, ?, ?)'
    ),
    dropAttempt: db.prepare('DELETE FROM attempts WHERE seq = ? AND attempt = ?'),
    attempts: db.prepare(
      'SELECT attempt, started_at, ended_at, data FROM attempts WHERE seq = ? ORDER BY attempt'
    ),
    deleteAttempts: db.prepare('DELETE FROM attempts WHERE seq = ?'),
    requestCancel: db.prepare('UPDATE tasks SET cancel_requested = 1 WHERE seq = ?'),
    insertEvent: db.prepare('INSERT INTO events (seq, id, type, at, data) VALUES (?, ?, ?, ?, ?)'),
    dropProgress: db.prepare(`DELETE FROM events WHERE seq = ? AND id = ? AND type = 'progress_update'`),
    eventAfter: db.prepare(
      `SELECT id, type, at, ${eventData} FROM events e WHERE seq = ? AND id > ? ORDER BY id LIMIT 1`
    ),
    eventsAfter: db.prepare(
      `SELECT id, type, at, ${eventData} FROM events e WHERE seq = ? AND id > ? ORDER BY id LIMIT ?`
    ),
    position: db.prepare('SELECT seq, status, last_event FROM tasks WHERE seq = ? AND task_id = ?'),
    byKey: db.prepare('SELECT task_id, fingerprint FROM tasks WHERE idempotency_key = ?'),
    page: db.prepare(`${summaries} WHERE t.seq < ? ORDER BY t.seq DESC LIMIT ?`),
    newest: db.prepare(
      'SELECT seq FROM tasks WHERE type = ? AND status = ? AND seq < ? ORDER BY seq DESC LIMIT ?'
    ),
    nextType: db.prepare('SELECT min(type) AS type FROM tasks WHERE type > ?'),
    bySeq: db.prepare(`${records} WHERE t.seq = ?`),
    summary: db.prepare(`${summaries} WHERE t.seq = ?`),
    deleteTask: db.prepare('DELETE FROM tasks WHERE seq = ?'),
    deleteEvents: db.prepare('DELETE FROM events WHERE seq = ?'),
    insertResult: db.prepare('INSERT INTO results (seq, data) VALUES (?, ?)'),
    deleteResult: db.prepare('DELETE FROM results WHERE seq = ?'),
    endedBefore: db.prepare(
      `SELECT seq, task_id FROM tasks INDEXED BY tasks_ended
       WHERE status IN ('completed', 'cancelled') AND kept_since <= ? ORDER BY kept_since LIMIT ?`
    ),
    failedBefore: db.prepare(
      `SELECT seq, task_id FROM tasks INDEXED BY tasks_failed
       WHERE status = 'failed' AND kept_since <= ? ORDER BY kept_since LIMIT ?`
    ),
    running: db.prepare(`SELECT * FROM tasks WHERE type = ? AND status = 'running'`),
    waiting: db.prepare(
      `SELECT * FROM tasks INDEXED BY tasks_queue WHERE status = 'pending' AND delayed = 0
       ORDER BY priority DESC, seq LIMIT ?`
    ),
    waitingForTime: db.prepare('SELECT * FROM tasks WHERE delayed > 0 ORDER BY delayed, ready_at LIMIT ?'),
    firstQueued: db.prepare(
      `SELECT ready_at FROM tasks INDEXED BY tasks_queue WHERE status = 'pending' AND delayed = 0 AND priority = ?
       ORDER BY seq LIMIT 1`
    ),
    firstParked: db.prepare(
      `SELECT ready_at FROM tasks INDEXED BY tasks_parked WHERE delayed = -1 AND type = ?
       ORDER BY priority DESC, seq LIMIT 1`
    ),
    countQueued: db.prepare(`SELECT count(*) AS n FROM tasks WHERE status = 'pending' AND delayed = 0`),
    countDelayed: db.prepare('SELECT count(*) AS n FROM tasks WHERE delayed > 0 AND delayed = ?'),
    releaseDelayed: db.prepare(
      'UPDATE tasks SET delayed = 0, ready_at = ? WHERE delayed > 0 AND delayed = ? AND ready_at <= ?'
    ),
    nextDelayed: db.prepare('SELECT min(ready_at) AS at FROM tasks WHERE delayed > 0 AND delayed = ?'),
    setMeta: db.prepare(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'
    ),
    takeMeta: db.prepare('DELETE FROM meta WHERE key = ? RETURNING value')
  }
}
