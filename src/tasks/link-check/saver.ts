/** Saves a growing state: while it is being written, whoever wants it saved again waits for one next write. */
export class Saver {
  readonly #write: () => Promise<void>
  #writing: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(write: () => Promise<void>) {
    this.#write = write
  }

  /** Resolves when all that the state contains now is written. */
  save(): Promise<void> {
    this.#next ??= this.#writing.then(() => {
      this.#next = undefined
      this.#writing = this.#write()
      return this.#writing
    })
    return this.#next
  }
}
