import { AsyncLocalStorage } from 'node:async_hooks'

/** The inline task on whose behalf code runs, including the promises, timers and emitters that it left behind. */
export const runningTask = new AsyncLocalStorage<{ taskId: string; type: string; attempt: number }>()
