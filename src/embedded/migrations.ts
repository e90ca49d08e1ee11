/** Marks a SQLite file as ours: "lcal". */
export const applicationId = 0x6c63616c

/** Schema changes in order; a database's `user_version` is how many it has seen. Never edit one that was released. */
export const migrations: readonly string[] = [
  `
  -- The small, often rewritten part of a task; what is long is in tables of its own, because SQLite rewrites whole rows.
  CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY,                    -- the order of acceptance: the position in task_id (src/task-id.ts)
    task_id TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    priority INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    requeues INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    progress TEXT NOT NULL DEFAULT '',          -- JSON, the data of the attempt's latest progress event
    last_event INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,                -- times are epoch milliseconds
    ready_at INTEGER NOT NULL,                  -- since when, or from when on, it may be claimed
    delayed INTEGER NOT NULL DEFAULT 0,         -- 1: waits for ready_at before it joins the queue
    started_at INTEGER,
    ended_at INTEGER,
    idempotency_key TEXT,
    fingerprint TEXT,
    input TEXT                                  -- JSON; a long one is in \`inputs\`
  ) STRICT;
  CREATE INDEX tasks_queue ON tasks (priority DESC, seq) WHERE status = 'pending' AND delayed = 0;
  CREATE INDEX tasks_delayed ON tasks (ready_at) WHERE delayed = 1;
  -- One for all filters of a list, which merges what it needs: each index costs every accept and every change of status.
  CREATE INDEX tasks_by_type_and_status ON tasks (type, status, seq);
  CREATE INDEX tasks_ended ON tasks (ended_at) WHERE ended_at IS NOT NULL;
  CREATE UNIQUE INDEX tasks_key ON tasks (idempotency_key) WHERE idempotency_key IS NOT NULL;

  CREATE TABLE inputs (seq INTEGER PRIMARY KEY, input TEXT NOT NULL) STRICT;
  CREATE TABLE checkpoints (seq INTEGER PRIMARY KEY, state TEXT NOT NULL) STRICT;

  -- A task's result, error or cancel reason is the data of its final event, and kept only there.
  CREATE TABLE events (
    seq INTEGER NOT NULL,
    id INTEGER NOT NULL,                        -- 1, 2, 3… within a task
    type TEXT NOT NULL,
    at INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (seq, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  -- Attempts after which their tasks were requeued; all else about an attempt is in its task.
  CREATE TABLE attempts (
    seq INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    data TEXT NOT NULL,                         -- of the event task_requeued
    PRIMARY KEY (seq, attempt)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Failed tasks are kept for another time than the others.
  DROP INDEX tasks_ended;
  CREATE INDEX tasks_ended ON tasks (ended_at) WHERE status IN ('completed', 'cancelled');
  CREATE INDEX tasks_failed ON tasks (ended_at) WHERE status = 'failed';
  `,
  `
  ALTER TABLE tasks ADD COLUMN labels TEXT;         -- JSON object, or NULL
  ALTER TABLE tasks ADD COLUMN run_at INTEGER;
  ALTER TABLE tasks ADD COLUMN request_id TEXT;
  ALTER TABLE tasks ADD COLUMN traceparent TEXT;
  ALTER TABLE tasks ADD COLUMN retry_of TEXT;
  ALTER TABLE tasks ADD COLUMN retried_as TEXT;

  -- \`delayed\` is 1 during a backoff and 2 until run_at: the two are counted apart.
  DROP INDEX tasks_delayed;
  CREATE INDEX tasks_delayed ON tasks (ready_at) WHERE delayed > 0;

  -- One stretch for each label, type and status, as in tasks_by_type_and_status: a page by label costs what one by type does.
  CREATE TABLE labels (
    label TEXT NOT NULL,                            -- key:value
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (label, type, status, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER labels_insert AFTER INSERT ON tasks WHEN NEW.labels IS NOT NULL BEGIN
    INSERT INTO labels SELECT key || ':' || value, NEW.type, NEW.status, NEW.seq FROM json_each(NEW.labels);
  END;
  CREATE TRIGGER labels_update AFTER UPDATE OF status ON tasks
  WHEN NEW.labels IS NOT NULL AND NEW.status <> OLD.status BEGIN
    UPDATE labels SET status = NEW.status
    WHERE label IN (SELECT key || ':' || value FROM json_each(NEW.labels))
      AND type = NEW.type AND status = OLD.status AND seq = NEW.seq;
  END;
  CREATE TRIGGER labels_delete AFTER DELETE ON tasks WHEN OLD.labels IS NOT NULL BEGIN
    DELETE FROM labels
    WHERE label IN (SELECT key || ':' || value FROM json_each(OLD.labels))
      AND type = OLD.type AND status = OLD.status AND seq = OLD.seq;
  END;
  `,
  `
  -- \`delayed\` is -1 while as many of the type run as may: such a task is not in the queue, where it would be in the way.
  CREATE INDEX tasks_parked ON tasks (type, priority DESC, seq) WHERE delayed = -1;
  `,
  `
  -- By the steady clock (src/steady-clock.ts), as ready_at during a backoff is: the wall clock may be set at any moment.
  ALTER TABLE tasks ADD COLUMN kept_since INTEGER;
  UPDATE tasks SET kept_since = ended_at WHERE ended_at IS NOT NULL;
  DROP INDEX tasks_ended;
  DROP INDEX tasks_failed;
  DROP INDEX tasks_delayed;
  CREATE INDEX tasks_ended ON tasks (kept_since) WHERE status IN ('completed', 'cancelled');
  CREATE INDEX tasks_failed ON tasks (kept_since) WHERE status = 'failed';
  CREATE INDEX tasks_delayed ON tasks (delayed, ready_at) WHERE delayed > 0;
  `,
  `
  -- The data of a final event that is long; \`events\` has '' in its place.
  CREATE TABLE results (seq INTEGER PRIMARY KEY, data TEXT NOT NULL) STRICT;
  INSERT INTO results SELECT seq, data FROM events
    WHERE length(data) > 1000 AND type IN ('task_completed', 'task_failed', 'task_cancelled');
  UPDATE events SET data = ''
    WHERE length(data) > 1000 AND type IN ('task_completed', 'task_failed', 'task_cancelled');
  `
]
