import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as sleep } from 'node:timers/promises'

// A longer line is split.
const maxLength = 16 * 1024
const linesPerPause = 100
const pauseMs = 10

/** Splits text that arrives in chunks into lines, skipping empty ones. */
export class LineSplitter {
  readonly #decoder = new StringDecoder()
  #rest = ''

  /** The lines that this chunk completes. */
  push(piece: Uint8Array | string): string[] {
    const text = typeof piece === 'string' ? piece : this.#decoder.write(Buffer.from(piece))
    const lines = (this.#rest + text).split(/\r?\n/).flatMap(cut)
    this.#rest = lines.pop() ?? ''
    return lines.filter(isNotEmpty)
  }

  /** The last, incomplete line. */
  flush(): string[] {
    const lines = [this.#rest]
    this.#rest = ''
    return lines.filter(isNotEmpty)
  }
}

/** A replacement for a stream's `write` that passes the lines to `onLines`. */
export function lineWriter(splitter: LineSplitter, onLines: (lines: string[]) => void) {
  return (chunk: Uint8Array | string, ...rest: unknown[]): boolean => {
    onLines(splitter.push(chunk))
    const done = rest.find((argument) => typeof argument === 'function')
    if (done) process.nextTick(done)
    return true
  }
}

const isNotEmpty = (line: string) => line.trim() !== ''

function cut(line: string): string[] {
  const pieces = [line.slice(0, maxLength)]
  for (let at = maxLength; at < line.length; at += maxLength) pieces.push(line.slice(at, at + maxLength))
  return pieces
}

/** Passes a stream's lines to `onLine`, slowly enough not to starve the event loop: the writer has to wait. */
export async function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  const splitter = new LineSplitter()
  let count = 0
  try {
    for await (const piece of stream) {
      for (const line of splitter.push(piece)) {
        onLine(line)
        if (++count % linesPerPause === 0) await sleep(pauseMs)
      }
    }
  } catch {
    // The writer died.
  }
  for (const line of splitter.flush()) onLine(line)
}
