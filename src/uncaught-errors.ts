import type { Log } from './log.ts'
import { runningTask } from './running-task.ts'

export interface UncaughtErrorOptions {
  log: Log
  /** Called for each error. */
  count: () => void
  /** Called for an exception that no task is to blame for: nobody knows what it left behind. */
  onCrash: () => void
}

/**
 * Logs and counts what nobody caught, with the inline task that left it behind if there is one. Neither a rejected promise
 * nor a task's own exception says anything about the rest of the process, which goes on.
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
