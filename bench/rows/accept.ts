import { NewTask, TaskStarted } from '../../src/task.ts'
import { Connection, postText, startTask } from '../connection.ts'
import type { Contender, Row, Target } from '../measure.ts'
import { withRedis } from '../peer.ts'
import { type Program, startLastcall, startPeer } from '../program.ts'
import { startRedis } from '../redis.ts'

const schemas = { SCHEMAS: JSON.stringify({ NewTask, TaskStarted }) }
/** A task that is as long as many are. */
export const task = { type: 'no-op-inline', input: { part: 'R1', quantity: 10, text: 'x'.repeat(100) } }
const oneByOne = { connections: 50, request: postText('/api/tasks', task), tasks: 1 }

/** Each of its connections posts one request after the other, and each request is for so many tasks. */
export function acceptContender(
  name: string,
  start: () => Promise<Program>,
  targets: Record<string, Target> = {},
  { connections, request, tasks } = oneByOne
): Contender {
  return {
    name,
    targets,
    async setUp() {
      const program = await start()
      const open = Array.from({ length: connections }, () => new Connection(program.port))
      return {
        async measure(seconds) {
          const startedAt = performance.now()
          const cpuBefore = program.cpuSeconds()
          let count = 0
          const post = async (connection: Connection) => {
            while (performance.now() - startedAt < seconds * 1000) {
              const { status, body } = await connection.request(request)
              if (status !== 202) throw new Error(`a task was answered ${status} ${body}`)
              count += tasks
            }
          }
          await Promise.all(open.map(post))
          return {
            'accepted/s': count / ((performance.now() - startedAt) / 1000),
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

/** The only worker is held, so that what is accepted stays pending. */
export async function startWithBusySlot(fill?: (path: string) => void): Promise<Program> {
  const program = await startLastcall(
    { MAX_WORKERS: '1', MAX_PENDING: '100000000', STORE_SYNC: 'full', TASK_RETENTION: '100000' },
    fill
  )
  const connection = new Connection(program.port)
  await startTask(connection, 'hold', {})
  connection.close()
  return program
}

async function startWithRedis(): Promise<Program> {
  const redis = await startRedis()
  const program = await startPeer('accept-bullmq', { ...schemas, REDIS_PORT: String(redis.port) })
  return {
    ...program,
    async stop() {
      const ms = await program.stop()
      await redis.stop()
      return ms
    }
  }
}

export const accept: Row = {
  title: 'accept a task, 50 connections',
  contenders: [
    acceptContender('lastcall, durable', () => startWithBusySlot()),
    acceptContender('bare Fastify, stores nothing', () => startPeer('bare-accept', schemas), {
      'accepted/s': { min: 0.8 },
      'CPU µs each': { max: 1.3 }
    }),
    ...withRedis([
      acceptContender('Fastify and BullMQ, everysec', startWithRedis, { 'accepted/s': { min: 2 } })
    ])
  ]
}
