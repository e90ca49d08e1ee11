/**
 * Tells its one listener, once, that it is time to stop and why, also one that comes late. What an AbortSignal does for
 * the task itself; three of those for each run cost more than all else that a run does.
 */
export class Stop<Cause> {
  #cause: Cause | undefined
  #listener: ((cause: Cause) => void) | undefined

  /** Why, once it has been told. */
  get cause(): Cause | undefined {
    return this.#cause
  }

  /** The first cause counts. */
  tell(cause: Cause): void {
    if (this.#cause !== undefined) return
    this.#cause = cause
    this.#listener?.(cause)
  }

  listen(listener: (cause: Cause) => void): void {
    this.#listener = listener
    if (this.#cause !== undefined) listener(this.#cause)
  }
}
