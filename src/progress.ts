type Write = (value: number, text: string, at: number) => Promise<void>

/**
 * Passes a run's progress on to its engine, one report at a time. Of what is reported while the engine waits for its disk
 * or its network only the latest is passed on, so that a slow store gets less and what it gets is new.
 */
export function coalesceProgress(write: Write) {
  let waiting: Parameters<Write> | undefined
  let isWriting = false

  const writeWaiting = async () => {
    isWriting = true
    try {
      while (waiting) {
        const progress = waiting
        waiting = undefined
        await write(...progress)
      }
    } catch {
      // The engine says why it cannot write, and keeps the last one for the end; the next one says more than this.
    } finally {
      isWriting = false
    }
  }

  return {
    report(...progress: Parameters<Write>): void {
      waiting = progress
      if (!isWriting) void writeWaiting()
    },
    /** Passes on what waits, before the run's end is written. */
    flush(): void {
      if (waiting) write(...waiting).catch(() => {})
      waiting = undefined
    }
  }
}
