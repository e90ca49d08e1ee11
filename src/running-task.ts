import { AsyncLocalStorage } from 'node:async_hooks'

/** The inline task that code runs for, also in what the task left behind: its promises, timers and emitters. */
export const runningTask = new AsyncLocalStorage<{ taskId: string; type: string; attempt: number }>()
