import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection, getText, startTask } from '../connection.ts'
import type { Contender, Row, Sample, Target } from '../measure.ts'
import { type Program, startLastcall, startPeer } from '../program.ts'
import { postAll } from './no-op.ts'

const streams = 2000

/** What each of many streams adds, in a process that has had as many before. */
async function perStream(program: Program, path: string): Promise<Sample> {
  const before = program.memoryMiB()
  const sockets = await Promise.all(Array.from({ length: streams }, () => openStream(program.port, path)))
  await sleep(500)
  const grown = program.memoryMiB() - before
  for (const socket of sockets) socket.destroy()
  await sleep(500)
  return { 'KiB each': (grown * 1024) / streams }
}

function openStream(port: number, path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(getText(path)))
    socket.once('data', () => resolve(socket)).on('error', reject)
  })
}

// A process of its own for each round: memory that is no longer used is not given back.
function streamContender(
  name: string,
  start: () => Promise<{ program: Program; path: string }>,
  targets: Record<string, Target> = {}
): Contender {
  return {
    name,
    targets,
    async setUp() {
      return {
        async measure() {
          const { program, path } = await start()
          try {
            return await perStream(program, path)
          } finally {
            await program.stop()
          }
        },
        close: async () => {}
      }
    }
  }
}

async function startFollowed() {
  const program = await startLastcall()
  const connection = new Connection(program.port)
  const taskId = await startTask(connection, 'hold', {})
  connection.close()
  return { program, path: `/api/tasks/${taskId}/stream` }
}

export const streamMemoryRow: Row = {
  title: 'memory of an open stream',
  rounds: { quick: 1, full: 7 },
  contenders: [
    streamContender('lastcall', startFollowed),
    streamContender(
      'Fastify, hijacked reply',
      async () => ({ program: await startPeer('hijacked'), path: '/stream' }),
      { 'KiB each': { max: 1.4 } }
    )
  ]
}

const tasksPerSecond = 2_500

/** Records live in SQLite: what the process holds must not follow how many there are. */
export const keptMemoryRow: Row = {
  title: 'memory while finished tasks pile up',
  limits: { 'MiB more than the round before': { max: 10 } },
  contenders: [
    {
      name: 'lastcall',
      async setUp() {
        const program = await startLastcall({ MAX_PENDING: '100000000', TASK_RETENTION: '100000' })
        const open = Array.from({ length: 64 }, () => new Connection(program.port))
        return {
          async measure(seconds) {
            const count = seconds * tasksPerSecond
            const before = program.memoryMiB()
            await postAll('no-op-inline')(program, open, count)
            const held = program.memoryMiB()
            return { 'MiB used': held, 'MiB more than the round before': held - before }
          },
          async close() {
            for (const connection of open) connection.close()
            return program.stop()
          }
        }
      }
    }
  ]
}
