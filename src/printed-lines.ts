import { StringDecoder } from 'node:string_decoder'
import type { Log } from './log.ts'
import { runningTask } from './running-task.ts'

// A longer line becomes several.
const maxLength = 16 * 1024

/** Splits text that arrives in pieces into lines; an empty line is none. */
export function lineSplitter(onLine: (line: string) => void): (chunk: Uint8Array | string) => void {
  const decoder = new StringDecoder()
  let rest = ''
  return (chunk) => {
    const lines = (rest + (typeof chunk === 'string' ? chunk : decoder.write(Buffer.from(chunk)))).split('\n')
    rest = lines.pop() ?? ''
    while (rest.length > maxLength) {
      lines.push(rest.slice(0, maxLength))
      rest = rest.slice(maxLength)
    }
    for (const line of lines) if (line.trim() !== '') onLine(line)
  }
}

/**
 * Makes a line of the log of what is printed in this process, with the inline task that printed it: written past the log
 * it would pile up without bound for a reader that is stuck.
 */
export function logPrintedLines(log: Log): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = process[name]
    const print = lineSplitter((line) => log.info({ ...runningTask.getStore(), stream: name }, line))
    // Nobody else listens to what goes wrong with it, such as a reader that is gone.
    stream.on('error', () => {})
    stream.write = (chunk: Uint8Array | string, ...rest: unknown[]) => {
      print(chunk)
      const done = rest.find((argument) => typeof argument === 'function')
      if (done) process.nextTick(done)
      return true
    }
  }
}
