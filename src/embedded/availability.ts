import { TaskError } from '../errors.ts'
import type { Log } from '../log.ts'
import { watchFiles } from './database-file.ts'

const lookEveryMs = 2_000
export const retryMs = 500

/** Whether the store can be written, and its files are where the next process would find them. */
export class Availability {
  readonly #log: Log
  readonly #lookAtFiles: (() => Promise<string | undefined>) | undefined
  readonly #lookTimer: NodeJS.Timeout
  #failure: unknown
  #misplaced: string | undefined
  #retryTimer: NodeJS.Timeout | undefined
  #retry = () => {}

  /** `path` is undefined for a store in memory. */
  constructor(path: string | undefined, log: Log) {
    this.#log = log
    if (path) this.#lookAtFiles = watchFiles([path, `${path}-wal`])
    this.#lookTimer = setInterval(() => void this.checkFiles().catch(() => {}), lookEveryMs)
  }

  /** Called a while after each failure, to find out whether writes work again. */
  onRetry(retry: () => void): void {
    this.#retry = retry
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /** Why the open files are not those that the next process would find. */
  get misplaced(): string | undefined {
    return this.#misplaced
  }

  failed(error: unknown): void {
    if (!this.#failure) this.#log.error({ err: error }, 'the task store cannot be written')
    this.#failure = error
    clearTimeout(this.#retryTimer)
    this.#retryTimer = setTimeout(() => this.#retry(), retryMs)
  }

  works(): void {
    if (this.#failure) this.#log.info('the task store can be written again')
    this.#failure = undefined
  }

  checkpointFailed(err: unknown): void {
    this.#log.warn({ err }, 'the log of the task store grows: a checkpoint failed')
  }

  /** STORE_UNAVAILABLE if a file was deleted or replaced. */
  async checkFiles(): Promise<void> {
    const problem = await this.#lookAtFiles?.()
    if (problem && problem !== this.#misplaced)
      this.#log.error({ reason: problem }, 'the task store was moved, what is written now will be lost')
    else if (!problem && this.#misplaced) this.#log.info('the task store is back in its place')
    this.#misplaced = problem
    if (problem) throw new TaskError('STORE_UNAVAILABLE', problem)
  }

  stop(): void {
    clearInterval(this.#lookTimer)
    clearTimeout(this.#retryTimer)
  }
}
