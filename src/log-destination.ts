import { fstatSync, write as writeFd } from 'node:fs'
import { Writable } from 'node:stream'
import { within } from './timers.ts'

// Bytes that may wait for a slow reader. Further lines are dropped and counted.
const maxUnreadBytes = 1024 * 1024

/**
 * Writes the log to standard output, whatever that is. Writing neither blocks the event loop nor fails: when the disk is
 * full, or the reader is stuck or gone, lines are dropped and counted. pino's own destination retries a full disk or a
 * full pipe for ever, with the event loop blocked.
 */
export class LogDestination {
  readonly #out: Writable
  readonly #write: Writable['write']
  #lost = 0
  #unreported = 0

  constructor() {
    const lose = (lines: number) => this.#lose(lines)
    this.#out = isFile(1) ? fileStream(1, lose) : process.stdout
    // The original method, which printed-lines.ts replaces for everybody else.
    this.#write = this.#out.write.bind(this.#out)
    this.#out.on('error', () => {})
  }

  /** How many lines were lost. */
  get lost(): number {
    return this.#lost
  }

  write(line: string): void {
    if (!this.#out.writable || this.#out.writableLength > maxUnreadBytes) {
      this.#lose(1)
      return
    }
    if (this.#unreported > 0 && this.#out.writableLength === 0) {
      const lost = this.#unreported
      this.#unreported = 0
      this.write(`${JSON.stringify({ level: 40, time: Date.now(), lost, msg: 'log lines were lost' })}\n`)
    }
    this.#write(line)
  }

  /** Resolves when all lines are written, or the time is over. */
  async flush(ms: number): Promise<void> {
    await within(ms, new Promise<void>((resolve) => this.#write('', () => resolve())))
  }

  #lose(lines: number): void {
    this.#lost += lines
    this.#unreported += lines
  }
}

function isFile(fd: number): boolean {
  try {
    const stats = fstatSync(fd)
    // /dev/full and the like are character devices. So is a terminal, which has its own kind of stream.
    return stats.isFile() || (stats.isCharacterDevice() && !process.stdout.isTTY)
  } catch {
    return false
  }
}

/** Writes to a file on libuv's thread pool, and continues after an error. */
function fileStream(fd: number, lose: (lines: number) => void): Writable {
  // The disk became full in the middle of a line; the next line must not continue it.
  let torn = false
  const put = (lines: Buffer, done: () => void) => {
    const bytes = torn ? Buffer.concat([Buffer.from('\n'), lines]) : lines
    const next = (offset: number) => {
      writeFd(fd, bytes, offset, (error, written) => {
        if (error) {
          torn ||= offset > 0
          lose(bytes.subarray(offset).toString().split('\n').length - 1)
          done()
        } else if (offset + written < bytes.length) {
          next(offset + written)
        } else {
          torn = false
          done()
        }
      })
    }
    next(0)
  }
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => (chunk.length === 0 ? done() : put(chunk, done)),
    writev: (chunks: { chunk: Buffer }[], done) => put(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  })
}
