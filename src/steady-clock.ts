/**
 * Epoch milliseconds that never step: the wall clock at the start of the process plus the time since then. Durations (a
 * backoff, a wait, a retention) use it; points in time use `Date.now()`. The next process starts from its wall clock.
 */
export const steadyNow = (): number => Math.round(performance.timeOrigin + performance.now())
