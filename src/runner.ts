import type { Claim } from './engine.ts'
import type { Log } from './log.ts'
import { coalesceProgress } from './progress.ts'
import { runningTask } from './running-task.ts'
import { Stop } from './stop.ts'
import { type AbortCause, abortReason, type Report, type RunEnd, runTask } from './task-context.ts'
import type { LoadedTaskType } from './task-types.ts'
import { WorkerPool } from './worker-pool.ts'
import { processStarter } from './worker-process.ts'
import { threadStarter } from './worker-thread.ts'

export interface RunnerOptions {
  /** MiB of heap per worker. */
  memoryLimitMiB: number
  /** How long an aborted task may take to end by itself. */
  cancelGraceMs: number
  log: Log
}

/** How a run ended: by itself, by a crash of its worker, or not at all, so that it was `stopped`. */
export interface RunResult {
  end: RunEnd | { crash: string; stack?: string } | { stopped: 'killed' | 'abandoned' }
  /** Set if the run was aborted, whatever it did then. */
  aborted?: AbortCause
}

export interface Run {
  readonly ended: Promise<RunResult>
  /** Aborts the run; the first cause counts. After `cancelGraceMs` its worker is killed, or the inline run abandoned. */
  abort(cause: AbortCause): void
}

/** Runs claimed tasks, in child processes, worker threads or inline, within their time limit. */
export class Runner {
  readonly #options: RunnerOptions
  readonly #pools: Record<'process' | 'thread', WorkerPool>

  constructor(options: RunnerOptions) {
    const { memoryLimitMiB, log } = options
    this.#options = options
    this.#pools = {
      process: new WorkerPool(processStarter(memoryLimitMiB, log), log),
      thread: new WorkerPool(threadStarter(memoryLimitMiB, log), log)
    }
  }

  start(type: LoadedTaskType, claim: Claim): Run {
    const stop = new Stop<AbortCause>()
    const kill = new Stop<AbortCause>()
    let graceTimer: NodeJS.Timeout | undefined

    const abort = (cause: AbortCause) => {
      graceTimer ??= setTimeout(() => kill.trigger(cause), this.#options.cancelGraceMs)
      stop.trigger(cause)
    }
    claim.stop.listen(abort)
    const limitTimer = setTimeout(abort, type.timeoutMs, 'timeout')

    const progress = coalesceProgress(claim.progress)
    const report = this.#reporter(claim, progress.report)
    const end =
      type.isolation === 'inline'
        ? this.#runInline(type, claim, report, stop, kill)
        : this.#runInWorker(this.#pools[type.isolation], type.module, claim, report, stop, kill)
    const ended = end.then((end) => {
      progress.flush()
      clearTimeout(limitTimer)
      clearTimeout(graceTimer)
      return stop.cause ? { end, aborted: stop.cause } : { end }
    })
    return { ended, abort }
  }

  /** Kills all workers, busy or not. */
  async close(): Promise<void> {
    await Promise.all(Object.values(this.#pools).map((pool) => pool.close()))
  }

  async #runInline(
    type: LoadedTaskType,
    claim: Claim,
    report: (report: Report) => void,
    stop: Stop<AbortCause>,
    kill: Stop<AbortCause>
  ): Promise<RunResult['end']> {
    const abort = new AbortController()
    stop.listen((cause) => abort.abort(abortReason(cause)))
    const channel = { abort, report, saveCheckpoint: claim.checkpoint }
    const abandoned = new Promise<{ stopped: 'abandoned' }>((resolve) => {
      kill.listen(() => resolve({ stopped: 'abandoned' }))
    })
    const { taskId, attempt } = claim
    const ended = runningTask.run({ taskId, type: claim.type, attempt }, () =>
      runTask((input, ctx) => type.run(input, ctx), claim, channel)
    )
    return Promise.race([ended, abandoned])
  }

  #runInWorker(
    pool: WorkerPool,
    module: string,
    claim: Claim,
    report: (report: Report) => void,
    stop: Stop<AbortCause>,
    kill: Stop<AbortCause>
  ): Promise<RunResult['end']> {
    const { taskId, attempt, input, restored, labels, requestId, traceparent } = claim
    const runInput = { taskId, attempt, input, restored, labels, requestId, traceparent }
    const run = pool.run(module, runInput, { report, saveCheckpoint: claim.checkpoint })
    stop.listen(run.abort)
    // No further task will need a worker after a shutdown.
    kill.listen((cause) => run.kill(cause !== 'shutdown'))
    return run.ended
  }

  #reporter(
    claim: Claim,
    progress: (value: number, text: string, at: number) => void
  ): (report: Report) => void {
    let log: Log | undefined
    return (report) => {
      if (report.kind === 'progress') return progress(report.value, report.text, report.at)
      const { taskId, type, attempt } = claim
      log ??= this.#options.log.child({ taskId, type, attempt })
      if (report.message === undefined) log[report.level](report.fields)
      else log[report.level](report.fields, report.message)
    }
  }
}
