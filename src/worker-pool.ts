import { fileURLToPath } from 'node:url'
import type { TaskError } from './errors.ts'
import type { Log } from './log.ts'
import type { AbortCause, Report, RunEnd, RunInput } from './task-context.ts'
import type { FromWorker, ToWorker } from './worker.ts'

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
export const workerFile = fileURLToPath(new URL(`./worker.${extension}`, import.meta.url))

const idleTimeoutMs = 60_000
/** How long to wait for a killed worker to exit; one that hangs in the kernel may never do so. */
const killTimeoutMs = 1_000

/** A process or a thread. */
export interface Worker {
  post(message: ToWorker): void
  /** Kills it, whatever it is doing. */
  kill(): void
}

export interface WorkerEvents {
  message(message: FromWorker): void
  /** A line written to its standard output or error directly, bypassing `process.stdout` and `process.stderr`. */
  output(stream: 'stdout' | 'stderr', line: string): void
  /** Why it exited, after its last message; `interrupted` by a signal that workers ignore once they are up. */
  died(cause: string, interrupted: boolean): void
}

export interface WorkerStarter {
  start(events: WorkerEvents): Worker
  close(): void
}

/** The callbacks of a run. */
export interface RunHandler {
  report(report: Report): void
  /** Resolves when the state (JSON text) is durable. */
  saveCheckpoint(state: string): Promise<void>
}

export interface WorkerRun {
  readonly ended: Promise<RunEnd | { crash: string; stack?: string } | { stopped: 'killed' }>
  abort(cause: AbortCause): void
  /** Kills its worker. `replace` starts another one at once, for the next task. */
  kill(replace: boolean): void
}

interface Run extends RunHandler {
  number: number
  module: string
  runInput: RunInput
  worker: PooledWorker | undefined
  aborted: AbortCause | undefined
  ended: boolean
  resolve(end: Awaited<WorkerRun['ended']>): void
}

interface PooledWorker extends Worker {
  ready: boolean
  killed: boolean
  /** The uncaught error that is about to end it. */
  crash: { crash: string; stack?: string } | undefined
  /** The current run, or the last one. */
  run: Run | undefined
  timer: NodeJS.Timeout | undefined
}

/** Starts workers on demand, reuses them, and ends them after a minute without a task. */
export class WorkerPool {
  readonly #starter: WorkerStarter
  readonly #log: Log
  readonly #workers = new Set<PooledWorker>()
  readonly #idle: PooledWorker[] = []
  #runs = 0
  #closing: Promise<void> | undefined
  #closed = () => {}

  constructor(starter: WorkerStarter, log: Log) {
    this.#starter = starter
    this.#log = log
  }

  /** Runs a task in a free worker. The caller limits how many run at once. */
  run(module: string, runInput: RunInput, handler: RunHandler): WorkerRun {
    let resolve: Run['resolve'] = () => {}
    const ended: WorkerRun['ended'] = new Promise((resolveEnded) => {
      resolve = resolveEnded
    })
    const number = ++this.#runs
    const run: Run = {
      ...handler,
      number,
      module,
      runInput,
      worker: undefined,
      aborted: undefined,
      ended: false,
      resolve
    }
    this.#assign(run)
    return {
      ended,
      abort: (cause) => {
        run.aborted = cause
        run.worker?.post({ kind: 'abort', run: number, cause })
      },
      kill: (replace) => {
        if (run.ended || !run.worker) return
        this.#kill(run.worker)
        if (replace && !this.#closing) this.#startSpare()
      }
    }
  }

  /** Ends all workers, busy or not. */
  close(): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      this.#closed = resolve
      for (const worker of this.#workers) this.#kill(worker)
      if (this.#workers.size === 0) resolve()
    }).then(() => this.#starter.close())
    return this.#closing
  }

  #assign(run: Run): void {
    try {
      const worker = this.#idle.pop() ?? this.#start()
      clearTimeout(worker.timer)
      run.worker = worker
      worker.run = run
      worker.post({ kind: 'run', run: run.number, module: run.module, runInput: run.runInput })
      if (run.aborted) worker.post({ kind: 'abort', run: run.number, cause: run.aborted })
    } catch (error) {
      this.#finish(run, {
        crash: `No worker could be started: ${error instanceof Error ? error.message : error}`
      })
    }
  }

  #start(): PooledWorker {
    const worker: PooledWorker = {
      ...this.#starter.start({
        message: (message) => this.#receive(worker, message),
        output: (stream, message) => {
          if (worker.run) worker.run.report({ kind: 'log', level: 'info', fields: { stream }, message })
          else this.#log.info({ stream }, message)
        },
        died: (cause, interrupted) => this.#died(worker, cause, interrupted)
      }),
      ready: false,
      killed: false,
      crash: undefined,
      run: undefined,
      timer: undefined
    }
    this.#workers.add(worker)
    return worker
  }

  #startSpare(): void {
    try {
      this.#release(this.#start())
    } catch (err) {
      this.#log.warn({ err }, 'the killed worker could not be replaced; the next task starts one')
    }
  }

  #receive(worker: PooledWorker, message: FromWorker): void {
    if (message.kind === 'ready') worker.ready = true
    else if (message.kind === 'crash') {
      const { message: text, stack } = message
      worker.crash = { crash: `Uncaught error: ${text}`, ...(stack !== undefined && { stack }) }
    } else if (message.run === worker.run?.number) this.#receiveOfRun(worker, worker.run, message)
  }

  #receiveOfRun(worker: PooledWorker, run: Run, message: Extract<FromWorker, { run: number }>): void {
    // What a finished task left running may still log, but has no other effect.
    if (message.kind === 'log') run.report(message)
    else if (run.ended) return
    else if (message.kind === 'progress') run.report(message)
    else if (message.kind === 'end') {
      if (!worker.killed) this.#release(worker)
      this.#finish(run, message.end)
    } else {
      const { id, state } = message
      run.saveCheckpoint(state).then(
        () => worker.post({ kind: 'checkpointed', id }),
        ({ code, message }: TaskError) => worker.post({ kind: 'checkpointed', id, error: { code, message } })
      )
    }
  }

  #release(worker: PooledWorker): void {
    worker.timer = setTimeout(() => this.#kill(worker), idleTimeoutMs).unref()
    this.#idle.push(worker)
  }

  #kill(worker: PooledWorker): void {
    this.#remove(worker)
    worker.killed = true
    worker.kill()
    worker.timer = setTimeout(() => this.#died(worker, '', false), killTimeoutMs)
  }

  #died(worker: PooledWorker, cause: string, interrupted: boolean): void {
    if (!this.#workers.delete(worker)) return
    this.#remove(worker)
    const { run, killed } = worker
    if (run && !run.ended) {
      if (killed) this.#finish(run, { stopped: 'killed' })
      // A signal to the process group came before the worker could ignore it. The task has not begun.
      else if (interrupted && !worker.ready) this.#assign(run)
      else this.#finish(run, worker.crash ?? { crash: cause })
    } else if (!killed) this.#log.error({ crash: cause, ...worker.crash }, 'a worker died between tasks')
    if (this.#workers.size === 0) this.#closed()
  }

  /** Takes it out of the pool. */
  #remove(worker: PooledWorker): void {
    clearTimeout(worker.timer)
    const index = this.#idle.indexOf(worker)
    if (index >= 0) this.#idle.splice(index, 1)
  }

  #finish(run: Run, end: Awaited<WorkerRun['ended']>): void {
    if (run.ended) return
    run.ended = true
    run.resolve(end)
  }
}
