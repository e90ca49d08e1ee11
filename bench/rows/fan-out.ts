import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Connection, postText, readStream, startTask } from '../connection.ts'
import type { Contender, Row, Sample } from '../measure.ts'
import { type Program, startLastcall, startPeer } from '../program.ts'

const subscribers = 1000
const ticksPerSecond = 20

/** Opens all streams, and when each has its first event lets the ticks begin. */
async function fanOut(program: Program, path: string, begin: () => Promise<unknown>): Promise<Sample> {
  let connected = 0
  let delivered = 0
  let allConnected = () => {}
  const ready = new Promise<void>((resolve) => {
    allConnected = resolve
  })
  const ends = Array.from({ length: subscribers }, () => {
    let first = true
    return readStream(program.port, path, (count) => {
      delivered += count
      if (!first || count === 0) return
      first = false
      if (++connected === subscribers) allConnected()
    })
  })
  await ready
  delivered = 0
  const startedAt = performance.now()
  const cpuBefore = program.cpuSeconds()
  await begin()
  await Promise.all(ends)
  return {
    'events/s delivered': delivered / ((performance.now() - startedAt) / 1000),
    'CPU s per 100,000': ((program.cpuSeconds() - cpuBefore) / delivered) * 100_000
  }
}

const lastcall: Contender = {
  name: 'lastcall',
  async setUp() {
    const program = await startLastcall()
    const connection = new Connection(program.port)
    let round = 0
    return {
      async measure(seconds) {
        const gate = join(program.dir, `gate-${round++}`)
        const taskId = await startTask(connection, 'ticker', { gate, ticks: seconds * ticksPerSecond })
        return fanOut(program, `/api/tasks/${taskId}/stream`, () => writeFile(gate, ''))
      },
      async close() {
        connection.close()
        return program.stop()
      }
    }
  }
}

const raw: Contender = {
  name: 'node:http, raw writes',
  async setUp() {
    const program = await startPeer('raw-sse')
    const connection = new Connection(program.port)
    return {
      measure: (seconds) =>
        fanOut(program, '/stream', () =>
          connection.request(postText(`/tick/${seconds * ticksPerSecond}`, {}))
        ),
      async close() {
        connection.close()
        return program.stop()
      }
    }
  }
}

export const fanOutRow: Row = {
  title: 'a task with 1,000 subscribers, 20 events/s',
  contenders: [lastcall, raw]
}
