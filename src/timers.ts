/** The longest delay of setTimeout, which fires at once for longer ones. */
export const maxTimerMs = 2 ** 31 - 1

/** Whether the promise resolves within `ms` milliseconds. Rejects if the promise rejects by then. */
export function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.min(ms, maxTimerMs), false)
    promise.then(() => resolve(true), reject).finally(() => clearTimeout(timer))
  })
}
