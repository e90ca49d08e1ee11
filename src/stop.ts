/**
 * A one-shot signal with a cause and one listener, which is called at once if it is added after the trigger. Tasks get an
 * AbortSignal; inside the service a run needs three signals, and with AbortSignals it ran 2,600 in place of 4,150 inline
 * no-ops a second (`npm run bench -- --only 'life of'`, medians of 9 alternating rounds).
 */
export class Stop<Cause> {
  #cause: Cause | undefined
  #listener: ((cause: Cause) => void) | undefined

  /** Set once it was triggered. */
  get cause(): Cause | undefined {
    return this.#cause
  }

  /** The first cause counts. */
  trigger(cause: Cause): void {
    if (this.#cause !== undefined) return
    this.#cause = cause
    this.#listener?.(cause)
  }

  listen(listener: (cause: Cause) => void): void {
    this.#listener = listener
    if (this.#cause !== undefined) listener(this.#cause)
  }
}
