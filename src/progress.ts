type Write = (value: number, text: string, at: number) => Promise<void>

/**
 * Passes a run's progress on to its engine, one report at a time. While the engine waits for its disk or network, only
 * the latest report is kept, so that a slow store gets fewer reports, and fresh ones.
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
      // The engine logs why it cannot write, and writes the last report with the outcome. A newer one replaces this one.
    } finally {
      isWriting = false
    }
  }

  return {
    report(...progress: Parameters<Write>): void {
      waiting = progress
      if (!isWriting) void writeWaiting()
    },
    /** Passes on the waiting report, before the outcome is written. */
    flush(): void {
      if (waiting) write(...waiting).catch(() => {})
      waiting = undefined
    }
  }
}
