import type { Settings } from './config.ts'
import type { Engine } from './engine.ts'
import type { Log } from './log.ts'

const sqlite = 'sqlite:'

/** Picks the engine by TASK_STORE_URL, and loads only that one. */
export async function createEngine(settings: Settings, log: Log): Promise<Engine> {
  const { TASK_STORE_URL: url, STORE_SYNC, TASK_QUEUE_PREFIX } = settings
  const options = {
    maxRunning: settings.MAX_WORKERS,
    maxPending: settings.MAX_PENDING,
    retentionMs: settings.TASK_RETENTION * 1000,
    failedRetentionMs: settings.FAILED_TASK_RETENTION * 1000,
    log
  }
  if (url.startsWith(sqlite)) {
    const { EmbeddedEngine } = await import('./embedded/engine.ts')
    return new EmbeddedEngine({ path: url.slice(sqlite.length), sync: STORE_SYNC, ...options })
  }
  const { DistributedEngine } = await import('./distributed/engine.ts')
  return new DistributedEngine({ url, prefix: TASK_QUEUE_PREFIX, ...options })
}

/** Whether pending tasks end with the process. */
export const isVolatile = (settings: Settings): boolean => settings.TASK_STORE_URL === `${sqlite}:memory:`
