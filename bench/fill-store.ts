import { closeDatabase, openDatabase } from '../src/embedded/database.ts'
import { epoch } from '../src/task-id.ts'

/** Puts a store there that has seen many tasks: finished no-ops with the label `team:a`, and tasks of the type `hold` that wait. */
export function fillStore(path: string, finished: number, pending: number): void {
  const db = openDatabase(path)
  const now = Date.now()
  const count = finished + pending
  // Ids and positions of src/task-id.ts, from its first moment on.
  const taskId = `printf('%08x-%04x-7%03x-8000-%012x', (${epoch} + i / 4096) >> 16, (${epoch} + i / 4096) & 65535, i % 4096, i)`
  db.exec(`
    BEGIN;
    CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${count}) SELECT i FROM n;
    INSERT INTO tasks (seq, task_id, type, status, priority, attempt, last_event, created_at, ready_at, started_at, ended_at,
        kept_since, labels)
      SELECT i, ${taskId}, 'no-op-inline', 'completed', 0, 1, 2, ${now}, ${now}, ${now}, ${now}, ${now}, '{"team":"a"}'
      FROM n WHERE i <= ${finished};
    INSERT INTO events SELECT i, 1, 'task_started', ${now}, '{"attempt":1}' FROM n WHERE i <= ${finished};
    INSERT INTO events SELECT i, 2, 'task_completed', ${now}, 'null' FROM n WHERE i <= ${finished};
    INSERT INTO tasks (seq, task_id, type, status, priority, created_at, ready_at, input)
      SELECT i, ${taskId}, 'hold', 'pending', 0, ${now}, ${now}, '{}'
      FROM n WHERE i > ${finished};
    DROP TABLE n;
    COMMIT;
  `)
  closeDatabase(db)
}
