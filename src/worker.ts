/** What runs in a worker, a child process or a thread: one task at a time, in the order of the messages. */
import { inspect } from 'node:util'
import { getHeapStatistics } from 'node:v8'
import { parentPort } from 'node:worker_threads'
import { LineSplitter, lineWriter } from './lines.ts'
import type { ErrorInfo } from './task.ts'
import {
  type AbortCause,
  abortReason,
  codedError,
  describeError,
  type Report,
  type RunEnd,
  type RunInput,
  runTask,
  stackOf
} from './task-context.ts'
import type { TaskType } from './task-type.ts'

/** `run` numbers the runs of one pool, so that a late message of an ended run is not mistaken for one of the next. */
export type ToWorker =
  | { kind: 'run'; run: number; module: string; runInput: RunInput }
  | { kind: 'abort'; run: number; cause: AbortCause }
  | { kind: 'checkpointed'; id: number; error?: ErrorInfo }

export type FromWorker =
  | { kind: 'ready'; heapLimitMiB: number }
  | (Report & { run: number })
  | { kind: 'checkpoint'; run: number; id: number; state: string }
  | { kind: 'end'; run: number; end: RunEnd }
  /** The worker is about to exit because of an uncaught error. */
  | { kind: 'crash'; message: string; stack: string | undefined }

const maxMessages = 500
const windowMs = 100

// Loading a module again, even a cached one, takes longer than many tasks.
const loaded = new Map<string, TaskType>()
const saving = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
let saves = 0
/** The current run, or the last one. */
let current = { run: 0, abort: new AbortController() }

const post = (message: FromWorker) => (parentPort ? parentPort.postMessage(message) : process.send?.(message))

const window = { startedAt: 0, messages: 0 }
const sleeper = new Int32Array(new SharedArrayBuffer(4))

/** Sends at most 5,000 messages a second: it slows the task down, rather than the service that reads them. */
function send(message: FromWorker): void {
  const elapsedMs = performance.now() - window.startedAt
  if (elapsedMs >= windowMs) Object.assign(window, { startedAt: performance.now(), messages: 0 })
  else if (++window.messages > maxMessages) Atomics.wait(sleeper, 0, 0, windowMs - elapsedMs)
  post(message)
}

function sendReport(run: number, report: Report): void {
  try {
    send({ ...report, run })
  } catch (error) {
    // Functions and the like cannot be cloned; their description is better than nothing.
    if (report.kind !== 'log') throw error
    send({ ...report, fields: { fields: inspect(report.fields) }, run })
  }
}

async function load(module: string): Promise<TaskType> {
  const type: TaskType = (await import(module)).default
  loaded.set(module, type)
  return type
}

async function start(run: number, module: string, runInput: RunInput): Promise<void> {
  const abort = new AbortController()
  current = { run, abort }
  const saveCheckpoint = (state: string) =>
    new Promise<void>((resolve, reject) => {
      const id = ++saves
      saving.set(id, { resolve, reject })
      send({ kind: 'checkpoint', run, id, state })
    })
  const end = await runTask(
    async (input, ctx) => (loaded.get(module) ?? (await load(module))).run(input, ctx),
    runInput,
    { abort, report: (report) => sendReport(run, report), saveCheckpoint }
  )
  for (const flush of flushOutput) flush()
  post({ kind: 'end', run, end })
}

function receive(message: ToWorker): void {
  if (message.kind === 'run') void start(message.run, message.module, message.runInput)
  else if (message.kind === 'abort') {
    if (current.run === message.run) current.abort.abort(abortReason(message.cause))
  } else {
    const save = saving.get(message.id)
    saving.delete(message.id)
    if (message.error === undefined) save?.resolve()
    else save?.reject(codedError(message.error.code, message.error.message))
  }
}

/** Turns each line written to process.stdout or process.stderr into a line of the service's log. Returns a flush. */
function logLines(name: 'stdout' | 'stderr'): () => void {
  const splitter = new LineSplitter()
  const log = (lines: string[]) => {
    const fields = { stream: name }
    for (const message of lines) sendReport(current.run, { kind: 'log', level: 'info', fields, message })
  }
  const write = lineWriter(splitter, log)
  // Only on first use: creating a stream takes time that most tasks never need. The stream itself is kept, not replaced:
  // in a thread, Node calls internal methods on it.
  const getStream = Object.getOwnPropertyDescriptor(process, name)?.get
  Object.defineProperty(process, name, {
    configurable: true,
    get: () => Object.assign(getStream?.call(process), { write })
  })
  return () => log(splitter.flush())
}
const flushOutput = [logLines('stdout'), logLines('stderr')]

process.on('uncaughtException', (error) => {
  const crash: FromWorker = { kind: 'crash', message: describeError(error).message, stack: stackOf(error) }
  if (!parentPort && process.send) return process.send(crash, () => process.exit(1))
  post(crash)
  process.exit(1)
})

if (parentPort) parentPort.on('message', receive)
else {
  // Terminals and process managers signal the whole group, but the service decides when its workers end.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']) process.on(signal, () => {})
  process.on('message', receive)
  // The service is gone. watchdog.ts handles workers that are too busy to notice.
  process.on('disconnect', () => process.exit(1))
}
post({ kind: 'ready', heapLimitMiB: getHeapStatistics().heap_size_limit / 1024 ** 2 })
