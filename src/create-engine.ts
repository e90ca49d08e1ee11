import type { Settings } from './config.ts'
import type { Engine } from './engine.ts'
import { StartError } from './errors.ts'
import type { Log } from './log.ts'

const sqlite = 'sqlite:'

/** Picks the engine by TASK_STORE_URL, and loads only that one. */
export async function createEngine(settings: Settings, log: Log): Promise<Engine> {
  const { TASK_STORE_URL: url, STORE_SYNC, MAX_WORKERS, MAX_PENDING, TASK_RETENTION } = settings
  if (!url.startsWith(sqlite)) throw new StartError('TASK_STORE_URL: the distributed engine is not there yet')
  const { EmbeddedEngine } = await import('./embedded/engine.ts')
  return new EmbeddedEngine({
    path: url.slice(sqlite.length),
    sync: STORE_SYNC,
    maxRunning: MAX_WORKERS,
    maxPending: MAX_PENDING,
    retentionMs: TASK_RETENTION * 1000,
    log
  })
}

/** Whether what is pending would be gone with the process. */
export const isVolatile = (settings: Settings): boolean => settings.TASK_STORE_URL === `${sqlite}:memory:`
