// Rendered from openapi.json by npm run docs.

export interface Attempt {
  attempt: number
  /** When it started. */
  startedAt: string
  /** Left out while it runs. */
  endedAt?: string
  /** How it ended; `retry`, `shutdown` and `lost` are why the task was requeued. */
  outcome?: 'completed' | 'failed' | 'cancelled' | 'retry' | 'shutdown' | 'lost'
  error?: ErrorInfo
}

export interface BomCoverageInput {
  /** The bill of materials as text; this or `bomBase64`. */
  bom?: string
  /** The bill of materials as the file's bytes in base64; this or `bom`. */
  bomBase64?: string
  /** The stock list, CSV with the columns part_id, manufacturer_code, value, package, description, quantity, location. Without it every placed line is `unknown`. */
  stock?: string
  /** How many boards to build. */
  boards?: number
}

export interface DemoInput {
  /** How long it takes. */
  seconds?: number
  /** Four a second unless given. */
  steps?: number
  /** Part of the way after which it throws, once; its second attempt goes on from there. */
  failAt?: number
}

export interface DemoOutput {
  steps: number
  /** How many it took, interruptions included. */
  attempts: number
}

export interface DrainStatus {
  draining: boolean
  phase: 'serving' | 'delaying' | 'draining' | 'cancelling' | 'closed'
  reason: string | null
  /** When the drain began. */
  since: string | null
  /** When tasks that still run are aborted; null for a drain by hand. */
  deadline: string | null
  activeTasks: number
  /** Null while the store is unavailable. */
  pendingTasks: number | null
  streams: number
}

export interface ErrorInfo {
  /** The thrown error's own code, else `TASK_FAILED`. */
  code: string
  message: string
}

/** What the client finds its task by: at most 16 keys in lower case, each with a value. */
export type Labels = Record<string, string>

export interface LinkCheckInput {
  /** What to ask for; an address that is there twice is asked once. */
  urls: string[]
  /** How many links are asked at once; never two of the same host. */
  concurrency?: number
  /** What one link may take, redirects included. */
  timeoutSeconds?: number
}

export interface ManyDone {
  /** How many tasks were acted on. */
  done: number
  /** Whether others still match. */
  more: boolean
}

export interface ManyTasks {
  filter: TaskFilter
  limit?: number
}

/** Reads a bill of materials in CSV from any common exporter and says what the stock covers. */
export interface NewBomCoverage {
  type: 'bom-coverage'
  input: BomCoverageInput
  /** Higher runs first. */
  priority?: number
  labels?: Labels
  /** Not to be started before then, at most 366 days ahead; one in the past runs at once. */
  runAt?: string
  /** The same, from now; not both. */
  delaySeconds?: number
}

/** Counts its steps, with a checkpoint after each: stop the service in the middle and see it go on. */
export interface NewDemo {
  type: 'demo'
  input: DemoInput
  /** Higher runs first. */
  priority?: number
  labels?: Labels
  /** Not to be started before then, at most 366 days ahead; one in the past runs at once. */
  runAt?: string
  /** The same, from now; not both. */
  delaySeconds?: number
}

/** Asks for a list of links and tells for each its status, final address, content type, size and time. */
export interface NewLinkCheck {
  type: 'link-check'
  input: LinkCheckInput
  /** Higher runs first. */
  priority?: number
  labels?: Labels
  /** Not to be started before then, at most 366 days ahead; one in the past runs at once. */
  runAt?: string
  /** The same, from now; not both. */
  delaySeconds?: number
}

export type NewTask = NewBomCoverage | NewLinkCheck | NewDemo

export interface NewTasks {
  tasks: (NewTask & {
    /** The same key and body again gives the first answer. */
    idempotencyKey?: string
  })[]
}

export interface Progress {
  value: number
  text: string
}

export interface ProgressUpdateChange {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'progress_update'
  /** The type of the task. */
  taskType: string
  data: Progress
}

export interface ProgressUpdateEvent {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'progress_update'
  data: Progress
}

/** With `verbose`. */
export interface Readiness {
  status: string
  checks: Record<string, {
    ok: boolean
    detail?: string
  }>
  activeTasks: number
  draining: boolean
}

export interface StreamTicket {
  streamUrl: string
  /** Null if the API asks for no token. */
  expiresAt: string | null
}

export interface TaskAcceptedChange {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'task_accepted'
  /** The type of the task. */
  taskType: string
  data: {
    status: 'pending'
    runAt?: string
  }
}

export interface TaskCancelledChange {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'task_cancelled'
  /** The type of the task. */
  taskType: string
  data: {
    reason: 'client' | 'shutdown' | 'timeout'
  }
}

export interface TaskCancelledEvent {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'task_cancelled'
  data: {
    reason: 'client' | 'shutdown' | 'timeout'
  }
}

export type TaskChange = TaskAcceptedChange | TaskStartedChange | ProgressUpdateChange | TaskRequeuedChange | TaskCompletedChange | TaskFailedChange | TaskCancelledChange

export interface TaskCompletedChange {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'task_completed'
  /** The type of the task. */
  taskType: string
  /** The result. */
  data: unknown
}

export interface TaskCompletedEvent {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'task_completed'
  /** The result. */
  data: unknown
}

export type TaskEvent = TaskStartedEvent | ProgressUpdateEvent | TaskRequeuedEvent | TaskCompletedEvent | TaskFailedEvent | TaskCancelledEvent

export interface TaskFailedChange {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'task_failed'
  /** The type of the task. */
  taskType: string
  data: ErrorInfo
}

export interface TaskFailedEvent {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'task_failed'
  data: ErrorInfo
}

export interface TaskFilter {
  /** `completed`, `failed` and `cancelled` are final. */
  status?: 'pending' | 'running' | 'completed' | 'failed' | 'cancelled'
  type?: string
  labels?: Labels
  /** Accepted before then. */
  createdBefore?: string
  /** Accepted after then. */
  createdAfter?: string
}

export interface TaskPage {
  /** Without `result`, `attempts` and `input`, which single tasks have. */
  tasks: TaskSummary[]
  /** Left out on the last page. */
  nextCursor?: string
}

export interface TaskRecord {
  /** A UUIDv7. */
  taskId: string
  type: string
  /** `completed`, `failed` and `cancelled` are final. */
  status: 'pending' | 'running' | 'completed' | 'failed' | 'cancelled'
  progress: Progress
  /** Number of the latest attempt; 0 before the first. */
  attempt: number
  priority: number
  labels?: Labels
  /** When it was accepted. */
  createdAt: string
  /** Not to be started before then. */
  runAt?: string
  /** When its latest attempt started. */
  startedAt?: string
  /** When it was completed, failed or cancelled. */
  endedAt?: string
  /** What the task returned. */
  result?: DemoOutput | unknown
  error?: ErrorInfo
  /** Who or what cancelled it. */
  cancelReason?: 'client' | 'shutdown' | 'timeout'
  /** The latest 100, in order. */
  attempts?: Attempt[]
  /** The task that this one repeats. */
  retryOf?: string
  /** The latest task that repeats this one. */
  retriedAs?: string
  /** `X-Request-Id` of the request that started it. */
  requestId?: string
  /** With `include=input` only. */
  input?: unknown
}

export interface TaskRequeuedChange {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'task_requeued'
  /** The type of the task. */
  taskType: string
  data: {
    reason: 'retry' | 'shutdown' | 'lost'
    error?: ErrorInfo
  }
}

export interface TaskRequeuedEvent {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'task_requeued'
  data: {
    reason: 'retry' | 'shutdown' | 'lost'
    error?: ErrorInfo
  }
}

export interface TaskStarted {
  taskId: string
  type: string
  status: 'pending'
  statusUrl: string
  /** With a ticket, if the API asks for tokens. */
  streamUrl: string
}

export interface TaskStartedChange {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'task_started'
  /** The type of the task. */
  taskType: string
  data: {
    attempt: number
  }
}

export interface TaskStartedEvent {
  taskId: string
  /** When it happened. */
  timestamp: string
  type: 'task_started'
  data: {
    attempt: number
  }
}

export interface TaskSummary {
  /** A UUIDv7. */
  taskId: string
  type: string
  /** `completed`, `failed` and `cancelled` are final. */
  status: 'pending' | 'running' | 'completed' | 'failed' | 'cancelled'
  progress: Progress
  /** Number of the latest attempt; 0 before the first. */
  attempt: number
  priority: number
  labels?: Labels
  /** When it was accepted. */
  createdAt: string
  /** Not to be started before then. */
  runAt?: string
  /** When its latest attempt started. */
  startedAt?: string
  /** When it was completed, failed or cancelled. */
  endedAt?: string
  error?: ErrorInfo
  /** Who or what cancelled it. */
  cancelReason?: 'client' | 'shutdown' | 'timeout'
  /** The task that this one repeats. */
  retryOf?: string
  /** The latest task that repeats this one. */
  retriedAs?: string
  /** `X-Request-Id` of the request that started it. */
  requestId?: string
}

export interface TaskType {
  type: string
  description: string
  /** JSON Schema. */
  inputSchema: unknown
  /** JSON Schema of the result, if its type has one. */
  outputSchema?: unknown
  /** A child process, a worker thread, or the event loop. */
  isolation: 'process' | 'thread' | 'inline'
  /** What happens when the grace period is over. */
  onShutdown: 'cancel' | 'requeue'
  /** What happens when the service's process died while it ran. */
  onLost: 'fail' | 'requeue'
  timeoutSeconds: number
  /** How many run at once, in all processes together. */
  concurrency?: number
}

export interface TasksStarted {
  tasks: TaskStarted[]
}

export interface GetReadinessQuery {
  verbose?: string
  /** Checks to leave out. Without `tasks`, a pod stays in its Service while a Redis that all pods share is away. */
  exclude?: string[]
}

export interface ListTasksQuery {
  /** `completed`, `failed` and `cancelled` are final. */
  status?: 'pending' | 'running' | 'completed' | 'failed' | 'cancelled'
  type?: string
  /** `key:value`; up to four, all of which must hold. */
  label?: string[]
  limit?: number
  /** `nextCursor` of the page before. */
  cursor?: string
}

export interface GetTaskQuery {
  /** Seconds to wait for the end of the task, at most, before it is read. */
  wait?: number
  /** What else to answer. */
  include?: 'input'
  /** From a `streamUrl`, in place of a token. */
  ticket?: string
}

export interface FollowTaskQuery {
  /** From a `streamUrl`, in place of a token. */
  ticket?: string
}

export interface FollowTasksQuery {
  /** Of tasks of this type alone. */
  type?: string
  /** `key:value`; up to four, all of which must hold. */
  label?: string[]
  /** Progress as well. */
  progress?: boolean
}
