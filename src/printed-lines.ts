import { LineSplitter, lineWriter } from './lines.ts'
import type { Log } from './log.ts'
import { runningTask } from './running-task.ts'

/**
 * Makes a line of the log of what is printed in this process, with the inline task that printed it: written past the log
 * it would pile up without bound for a reader that is stuck.
 */
export function logPrintedLines(log: Log): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = process[name]
    // Nobody else listens to what goes wrong with it, such as a reader that is gone.
    stream.on('error', () => {})
    stream.write = lineWriter(new LineSplitter(), (lines) => {
      for (const line of lines) log.info({ ...runningTask.getStore(), stream: name }, line)
    })
  }
}
