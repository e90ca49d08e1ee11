import type { Log } from './log.ts'
import { runningTask } from './running-task.ts'

export interface UncaughtErrorOptions {
  log: Log
  /** Called for each error. */
  count: () => void
  /** Called for an exception outside of any task, which leaves the process in an unknown state. */
  onCrash: () => void
}

/**
 * Logs and counts uncaught errors, with the inline task that caused them if there is one. Neither a rejected promise nor
 * a task's exception says anything about the rest of the process, which continues.
 */
export function watchUncaughtErrors({ log, count, onCrash }: UncaughtErrorOptions): void {
  const report = (err: unknown, message: string) => {
    count()
    log.error({ ...runningTask.getStore(), err }, message)
  }
  process.on('unhandledRejection', (reason) => report(reason, 'unhandled rejection'))
  process.on('uncaughtException', (error) => {
    report(error, 'uncaught exception')
    if (!runningTask.getStore()) onCrash()
  })
}
