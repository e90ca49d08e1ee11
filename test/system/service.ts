import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startServer } from '../helper.ts'
import { Client } from './retrying-client.ts'
import { Witness } from './witness.ts'

/** A store, task types, a gate, and a witness who finds whatever server was started last. */
export function setUpService(t: Test, types: Record<string, string>, settings: Record<string, string> = {}) {
  const dir = t.testdir({ types })
  const env = {
    TASK_STORE_URL: `sqlite:${join(dir, 'tasks.db')}`,
    TASKS_DIR: join(dir, 'types'),
    ...settings
  }
  let url = ''
  const client = new Client(() => url)
  t.teardown(() => client.close())
  const witness = new Witness(client, { countingIds: true })
  const start = async (more: Record<string, string> = {}) => {
    const server = await startServer(t, { ...env, ...more })
    url = server.url
    return server
  }
  const gate = join(dir, 'gate')
  return { dir, env, gate, openGate: () => writeFile(gate, ''), start, client, witness }
}
