import { setTimeout as sleep } from 'node:timers/promises'
import { Connection, postText, readStream, startTask } from '../connection.ts'
import type { Contender, Row, Target } from '../measure.ts'
import { selfMeasured, withRedis } from '../peer.ts'
import { memoryMiB, startLastcall } from '../program.ts'
import { contender as noOpContender, postAll } from './no-op.ts'

const lifeRow = (isolation: 'process' | 'thread', mayRunAgain: boolean, target: Target): Row => ({
  title: `life of a ${isolation} no-op that ${mayRunAgain ? 'may run again' : 'must not'}, over HTTP, 2 workers`,
  contenders: withRedis([
    noOpContender(isolation, postAll(`no-op-${isolation}${mayRunAgain ? '-again' : ''}`), {
      MAX_WORKERS: '2'
    }),
    selfMeasured(`BullMQ, sandboxed ${isolation}`, {
      program: 'bullmq-sandboxed',
      question: { useWorkerThreads: isolation === 'thread' },
      targets: { 'tasks/s': target }
    })
  ])
})

export const workerRows: Row[] = [
  lifeRow('process', true, { min: 2 }),
  lifeRow('process', false, { min: 1 }),
  lifeRow('thread', true, { min: 2 }),
  lifeRow('thread', false, { min: 1 })
]

const lastcallKill: Contender = {
  name: 'lastcall',
  async setUp() {
    const program = await startLastcall({ MAX_WORKERS: '1', CANCEL_GRACE: '0' })
    const connection = new Connection(program.port)
    return {
      async measure() {
        const spinning = await startTask(connection, 'spin', {})
        await sleep(200)
        const next = await startTask(connection, 'no-op-process', {})
        const ended = readStream(program.port, `/api/tasks/${next}/stream`, () => {})
        const killedAt = performance.now()
        await connection.request(postText(`/api/tasks/${spinning}/cancel`, {}))
        await ended
        return { 'ms to the next result': performance.now() - killedAt }
      },
      async close() {
        connection.close()
        return program.stop()
      }
    }
  }
}

export const killRow: Row = {
  title: 'a spinning process is killed → the next task’s result on that slot',
  contenders: [
    lastcallKill,
    selfMeasured('bare fork, first message of the next', {
      program: 'fork',
      question: { what: 'kill' },
      targets: { 'ms to the next result': { max: 1.2 } }
    })
  ]
}

const lastcallMemory: Contender = {
  name: 'lastcall',
  async setUp() {
    return {
      async measure() {
        const program = await startLastcall({ MAX_WORKERS: '1' })
        try {
          const connection = new Connection(program.port)
          const taskId = await startTask(connection, 'no-op-process', {})
          await readStream(program.port, `/api/tasks/${taskId}/stream`, () => {})
          connection.close()
          await sleep(500)
          return { MiB: Math.max(...program.children().map(memoryMiB)) }
        } finally {
          await program.stop()
        }
      },
      close: async () => {}
    }
  }
}

export const childMemoryRow: Row = {
  title: 'memory of a child process that ran a no-op',
  rounds: { quick: 1, full: 7 },
  contenders: [
    lastcallMemory,
    selfMeasured('bare fork', {
      program: 'fork',
      question: { what: 'memory' },
      targets: { MiB: { max: 1.2 } }
    })
  ]
}
