/**
 * Epoch milliseconds that never step: the wall clock at the start of the process, and what has passed since then. What
 * lasts (a backoff, a wait, how long a finished task is kept) goes by it; what names a moment, by `Date.now()`. A process
 * that starts later begins with the wall clock again.
 */
export const steadyNow = (): number => Math.round(performance.timeOrigin + performance.now())
