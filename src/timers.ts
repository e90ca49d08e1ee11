/** The longest delay of setTimeout, which fires at once for longer ones. */
export const maxTimerMs = 2 ** 31 - 1
/** The longest time that a setting or a task type may name, in seconds: a round number below that delay. */
export const maxSeconds = 2_000_000

/** Whether the promise resolves within `ms` milliseconds. Rejects if the promise rejects by then. */
export function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.min(ms, maxTimerMs), false)
    promise.then(() => resolve(true), reject).finally(() => clearTimeout(timer))
  })
}
