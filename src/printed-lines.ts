import { LineSplitter, lineWriter } from './lines.ts'
import type { Log } from './log.ts'
import { runningTask } from './running-task.ts'

/**
 * Turns what this process prints into lines of the log, with the inline task that printed them. Written directly to
 * standard output, they would queue without bound behind a stuck reader.
 */
export function logPrintedLines(log: Log): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = process[name]
    // Nobody else handles its errors, such as a reader that is gone.
    stream.on('error', () => {})
    stream.write = lineWriter(new LineSplitter(), (lines) => {
      for (const line of lines) log.info({ ...runningTask.getStore(), stream: name }, line)
    })
  }
}
