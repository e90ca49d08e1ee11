import type { Test } from 'tap'
import { spawnServer } from '../helper.ts'

// pino's levels
const info = 30
const fatal = 60

/** Starts the program, which must exit 1, and resolves with the one line in which it must say why. */
export async function refusedStart(t: Test, env: Record<string, string>): Promise<string> {
  const server = spawnServer(t, env)
  const [code] = await server.exited
  t.equal(code, 1, 'exits 1')
  const troubles = server.lines.filter(({ level }) => level > info)
  t.match(troubles, [{ level: fatal }], 'says why in one line')
  t.equal(troubles.length, 1, 'and no more', { troubles })
  return troubles[0]?.msg ?? ''
}
