import { type Client, connectForBlocking, disconnect } from './clients.ts'

// What an answer may take beyond the time that its command blocks.
const marginMs = 1_000

/** A connection for commands that block for a while, one at a time. Each ends in its time, or with its connection. */
export class BlockingConnection {
  readonly #client: Client

  /** `blockMs` is the longest that a command will block. */
  constructor(url: string, blockMs: number) {
    this.#client = connectForBlocking(url, blockMs + 2 * marginMs)
    // The connection for commands says it for all.
    this.#client.on('error', () => {})
  }

  run<T>(blockMs: number, command: (client: Client) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const onClose = () => reject(new Error('the connection was lost'))
      const onTimeout = () => {
        // The command would still be under way, and the next one would wait for it.
        this.#client.disconnect(true)
        reject(new Error(`no answer in ${blockMs + marginMs} ms`))
      }
      const timer = setTimeout(onTimeout, blockMs + marginMs)
      this.#client.once('close', onClose)
      command(this.#client)
        .then(resolve, reject)
        .finally(() => {
          clearTimeout(timer)
          this.#client.off('close', onClose)
        })
    })
  }

  close(): void {
    disconnect(this.#client)
  }
}
