import { setTimeout as sleep } from 'node:timers/promises'
import { Connection, postText, readStream, startTask } from '../connection.ts'
import type { Contender, Row } from '../measure.ts'
import { selfMeasured } from '../peer.ts'
import { startLastcall } from '../program.ts'
import { contender as noOpContender, postAll } from './no-op.ts'

const threadsRow = (title: string, type: string): Row => ({
  title,
  contenders: [
    noOpContender('thread', postAll(type), { MAX_WORKERS: '2' }),
    selfMeasured('piscina, bare round trips', {
      program: 'piscina',
      question: { what: 'round-trips', threads: 2 },
      bars: { 'tasks/s': { min: 0.5 } }
    })
  ]
})

export const threadsRows: Row[] = [
  threadsRow('life of a thread no-op that may run again, over HTTP, 2 workers', 'no-op-thread-again'),
  threadsRow('life of a thread no-op, over HTTP, 2 workers', 'no-op-thread')
]

const lastcallKill: Contender = {
  name: 'lastcall',
  async setUp() {
    const program = await startLastcall({ MAX_WORKERS: '1', CANCEL_GRACE: '0' })
    const connection = new Connection(program.port)
    return {
      async measure() {
        const spinning = await startTask(connection, 'spin', {})
        await sleep(100)
        const next = await startTask(connection, 'no-op-thread', {})
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
  title: 'a spinning thread is killed → the next task’s result on that slot',
  contenders: [
    lastcallKill,
    selfMeasured('piscina, abort', {
      program: 'piscina',
      question: { what: 'kill' },
      bars: { 'ms to the next result': { max: 1.2 } }
    })
  ]
}
