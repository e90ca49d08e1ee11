import { fileURLToPath } from 'node:url'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import type { Piscina } from 'piscina'
import type { Claim } from './engine.ts'
import type { TaskError } from './errors.ts'
import type { Log } from './log.ts'
import { runningTask } from './running-task.ts'
import { Stop } from './stop.ts'
import { type AbortCause, abortReason, type Report, type RunEnd, runJob, stackOf } from './task-context.ts'
import type { LoadedTaskType } from './task-types.ts'
import type { FromThread, ThreadJob, ToThread } from './thread.ts'

export interface RunnerOptions {
  maxThreads: number
  /** MiB of heap per thread. */
  memoryLimitMiB: number
  /** How long an aborted task may take to end by itself. */
  cancelGraceMs: number
  log: Log
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const threadFile = fileURLToPath(new URL(`./thread.${extension}`, import.meta.url))

/** How a run ended: by itself, by a crash of its thread, or not at all, so that it was `stopped`. */
export interface RunResult {
  end: RunEnd | { crash: string; stack?: string } | { stopped: 'terminated' | 'abandoned' }
  /** Set if it was told to stop; whatever it did then. */
  aborted?: AbortCause
}

export interface Run {
  readonly ended: Promise<RunResult>
  /** Tells the task to stop; the first cause counts. After `cancelGraceMs` it is stopped the hard way. */
  abort(cause: AbortCause): void
}

/** Runs claimed tasks, in worker threads or inline, within their time limit. */
export class Runner {
  readonly #options: RunnerOptions
  #pool: Promise<Piscina<ThreadJob, RunEnd>> | undefined

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  start(type: LoadedTaskType, claim: Claim): Run {
    const stop = new Stop<AbortCause>()
    const hardStop = new Stop<AbortCause>()
    let graceTimer: NodeJS.Timeout | undefined

    const abort = (cause: AbortCause) => {
      graceTimer ??= setTimeout(() => hardStop.tell(cause), this.#options.cancelGraceMs)
      stop.tell(cause)
    }
    claim.stop.listen(abort)
    const limitTimer = setTimeout(abort, type.timeoutMs, 'timeout')

    const run = type.isolation === 'inline' ? this.#runInline : this.#runInThread
    const ended = run.call(this, type, claim, stop, hardStop).then((end) => {
      clearTimeout(limitTimer)
      clearTimeout(graceTimer)
      return stop.cause ? { end, aborted: stop.cause } : { end }
    })
    return { ended, abort }
  }

  /** Ends all threads, busy or not. */
  async close(): Promise<void> {
    await (await this.#pool)?.destroy()
  }

  async #runInline(
    type: LoadedTaskType,
    claim: Claim,
    stop: Stop<AbortCause>,
    hardStop: Stop<AbortCause>
  ): Promise<RunResult['end']> {
    const abort = new AbortController()
    stop.listen((cause) => abort.abort(abortReason(cause)))
    const report = this.#reporter(claim)
    const channel = { abort, report, saveCheckpoint: claim.checkpoint }
    const abandoned = new Promise<{ stopped: 'abandoned' }>((resolve) => {
      hardStop.listen(() => resolve({ stopped: 'abandoned' }))
    })
    const { taskId, attempt } = claim
    const ended = runningTask.run({ taskId, type: claim.type, attempt }, () =>
      runJob((input, ctx) => type.run(input, ctx), claim, channel)
    )
    return Promise.race([ended, abandoned])
  }

  async #runInThread(
    type: LoadedTaskType,
    claim: Claim,
    stop: Stop<AbortCause>,
    hardStop: Stop<AbortCause>
  ): Promise<RunResult['end']> {
    const { port1: port, port2: threadPort } = new MessageChannel()
    const send = (message: ToThread) => port.postMessage(message)
    stop.listen((cause) => send({ kind: 'abort', cause }))
    const kill = new AbortController()
    hardStop.listen(() => kill.abort())

    const report = this.#reporter(claim)
    const receive = (message: FromThread) => {
      if (message.kind !== 'checkpoint') return report(message)
      const { id, state } = message
      claim.checkpoint(state).then(
        () => send({ kind: 'checkpointed', id }),
        ({ code, message }: TaskError) => send({ kind: 'checkpointed', id, error: { code, message } })
      )
    }
    port.on('message', receive)

    const { taskId, attempt, input, restored } = claim
    const job = { module: type.module, port: threadPort, taskId, attempt, input, restored }
    try {
      // The file is named here, not for the pool: a thread that cannot load it then fails its task.
      const options = {
        filename: threadFile,
        transferList: [threadPort],
        signal: kill.signal
      }
      const end: RunEnd | null = await (await this.#threads()).run(job, options)
      // A thread that died of a thrown null is no error to Piscina.
      return end ?? { crash: 'The thread threw null' }
    } catch (error) {
      if (kill.signal.aborted) return { stopped: 'terminated' }
      const stack = stackOf(error)
      const crash = error instanceof Error ? error.message : String(error)
      return { crash, ...(stack !== undefined && { stack }) }
    } finally {
      // The result came by another way and may have overtaken what the thread had said before.
      for (let late = receiveMessageOnPort(port); late; late = receiveMessageOnPort(port))
        receive(late.message)
      port.close()
    }
  }

  #reporter(claim: Claim): (report: Report) => void {
    let log: Log | undefined
    return (report) => {
      if (report.kind === 'progress') return claim.progress(report.value, report.text)
      const { taskId, type, attempt } = claim
      log ??= this.#options.log.child({ taskId, type, attempt })
      if (report.message === undefined) log[report.level](report.fields)
      else log[report.level](report.fields, report.message)
    }
  }

  /** Threads start when the first task needs one, and end when none has needed them for a minute. */
  #threads(): Promise<Piscina<ThreadJob, RunEnd>> {
    this.#pool ??= this.#makePool()
    return this.#pool
  }

  async #makePool(): Promise<Piscina<ThreadJob, RunEnd>> {
    // Not at the start, which it would delay.
    const { Piscina } = await import('piscina')
    const { maxThreads, memoryLimitMiB, log } = this.#options
    const pool = new Piscina<ThreadJob, RunEnd>({
      minThreads: 0,
      maxThreads,
      idleTimeout: 60_000,
      resourceLimits: { maxOldGenerationSizeMb: memoryLimitMiB },
      recordTiming: false
    })
    pool.on('error', (error) => log.error({ err: error }, 'a worker thread failed between tasks'))
    return pool
  }
}
