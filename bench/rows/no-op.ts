import { setTimeout as sleep } from 'node:timers/promises'
import { Connection, getText, readStream, startTask } from '../connection.ts'
import type { Contender, Row } from '../measure.ts'
import { type Program, startLastcall } from '../program.ts'

const connections = 64
const tasksPerSecond = 1000

/** Runs so many tasks; resolves when all have ended. */
type RunTasks = (program: Program, open: readonly Connection[], count: number) => Promise<void>

/** All are posted; when the last one has ended, all have, because they are run in order. One connection asks for it. */
export function postAll(type: string): RunTasks {
  return async (_program, open, count) => {
    let left = count
    let last = ''
    const post = async (connection: Connection) => {
      while (left-- > 0) last = await startTask(connection, type, {})
    }
    await Promise.all(open.map(post))
    const [connection] = open
    while (connection && !(await isCompleted(connection, last))) await sleep(5)
  }
}

/** Each has ended, as `untilEnded` learns, before the same connection posts the next. */
function runEach(
  type: string,
  untilEnded: (taskId: string, program: Program, connection: Connection) => Promise<void>
): RunTasks {
  return async (program, open, count) => {
    let left = count
    const work = async (connection: Connection) => {
      while (left-- > 0) await untilEnded(await startTask(connection, type, {}), program, connection)
    }
    await Promise.all(open.map(work))
  }
}

/** Each is followed by a stream, which closes its connection in the end. */
export const followEach = (type: string): RunTasks =>
  runEach(type, (taskId, { port }) => readStream(port, `/api/tasks/${taskId}/stream`, () => {}))

/** Each is waited for. */
export const waitForEach = (type: string): RunTasks =>
  runEach(type, async (taskId, _program, connection) => {
    const { body } = await connection.request(getText(`/api/tasks/${taskId}?wait=30`))
    if (!body.includes('"status":"completed"')) throw new Error(`a task ended otherwise: ${body}`)
  })

async function isCompleted(connection: Connection, taskId: string): Promise<boolean> {
  const { body } = await connection.request(getText(`/api/tasks/${taskId}`))
  return body.includes('"status":"completed"')
}

export function contender(
  name: string,
  run: RunTasks,
  env: Record<string, string> = {},
  fill?: (path: string) => void
): Contender {
  return {
    name: `lastcall, ${name}`,
    async setUp() {
      const program = await startLastcall({ MAX_PENDING: '100000000', ...env }, fill)
      const open = Array.from({ length: connections }, () => new Connection(program.port))
      return {
        async measure(seconds) {
          const count = tasksPerSecond * seconds
          const startedAt = performance.now()
          const cpuBefore = program.cpuSeconds()
          await run(program, open, count)
          return {
            'tasks/s': count / ((performance.now() - startedAt) / 1000),
            'CPU µs each': ((program.cpuSeconds() - cpuBefore) / count) * 1e6
          }
        },
        async close() {
          for (const connection of open) connection.close()
          return program.stop()
        }
      }
    }
  }
}

export const noOp: Row = {
  title: 'no-op task, 64 connections, 4 workers',
  contenders: [
    contender('inline', postAll('no-op-inline')),
    contender('process', postAll('no-op-process')),
    contender('thread', postAll('no-op-thread')),
    contender('inline, each one streamed', followEach('no-op-inline'))
  ]
}
