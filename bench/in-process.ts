import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildApp } from '../src/app.ts'
import { readSettings } from '../src/config.ts'
import { checkTaskType } from '../src/task-types.ts'

const data = fileURLToPath(new URL('data/', import.meta.url))

/**
 * The service in this process, without HTTP, on a file of its own; `run` is what its inline task type does. With
 * `onLost: 'requeue'` it may run again, as any job of BullMQ may whose worker dies.
 */
export async function startInProcess(run: (input: unknown) => unknown, onLost: 'fail' | 'requeue' = 'fail') {
  mkdirSync(data, { recursive: true })
  const dir = mkdtempSync(`${data}in-process-`)
  const settings = readSettings({
    TASK_STORE_URL: `sqlite:${join(dir, 'tasks.db')}`,
    MAX_WORKERS: '64',
    LOG_LEVEL: 'warn'
  })
  const shape = { type: 'inline', description: '', input: {}, isolation: 'inline' as const, onLost }
  const app = await buildApp({
    settings,
    types: [checkTaskType({ ...shape, run: async (input) => run(input) }, 'bench:', 60_000)]
  })
  await app.ready()
  app.tasks.executor.resume()
  return {
    tasks: app.tasks,
    async close() {
      await app.close()
      rmSync(dir, { recursive: true, force: true })
    }
  }
}
