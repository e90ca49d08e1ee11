import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Connection, postText, readStream, startTask } from '../connection.ts'
import type { Contender, Row, Sample } from '../measure.ts'
import { type Program, startLastcall, startPeer } from '../program.ts'

const subscribers = 1000

/** Opens all streams, and when each has its first event lets the ticks begin. */
async function fanOut(program: Program, paths: string[], begin: () => Promise<unknown>): Promise<Sample> {
  let connected = 0
  let delivered = 0
  let allConnected = () => {}
  const ready = new Promise<void>((resolve) => {
    allConnected = resolve
  })
  const ends = paths.map((path) => {
    let first = true
    return readStream(program.port, path, (count) => {
      delivered += count
      if (!first || count === 0) return
      first = false
      if (++connected === paths.length) allConnected()
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

function lastcall(tasks: number, everyMs: number): Contender {
  return {
    name: 'lastcall',
    async setUp() {
      const program = await startLastcall({ MAX_WORKERS: String(Math.min(tasks, 1024)) })
      // Many, because a task alone is started by a commit of its own.
      const open = Array.from({ length: 50 }, () => new Connection(program.port))
      let round = 0
      return {
        async measure(seconds) {
          const gate = join(program.dir, `gate-${round++}`)
          const input = { gate, ticks: (seconds * 1000) / everyMs, everyMs }
          const ids: string[] = []
          let left = tasks
          const start = async (connection: Connection) => {
            while (left-- > 0) ids.push(await startTask(connection, 'ticker', input))
          }
          await Promise.all(open.map(start))
          const paths = Array.from(
            { length: subscribers },
            (_, index) => `/api/tasks/${ids[index % tasks]}/stream`
          )
          return fanOut(program, paths, () => writeFile(gate, ''))
        },
        async close() {
          for (const connection of open) connection.close()
          return program.stop()
        }
      }
    }
  }
}

function raw(everyMs: number): Contender {
  return {
    name: 'node:http, raw writes',
    targets: { 'CPU s per 100,000': { max: 1.3 } },
    async setUp() {
      const program = await startPeer('raw-sse')
      const connection = new Connection(program.port)
      return {
        measure: (seconds) =>
          fanOut(program, Array<string>(subscribers).fill('/stream'), () =>
            connection.request(postText(`/tick/${(seconds * 1000) / everyMs}/${everyMs}`, {}))
          ),
        async close() {
          connection.close()
          return program.stop()
        }
      }
    }
  }
}

export const fanOutRow: Row = {
  title: 'a task with 1,000 subscribers, 20 events/s',
  contenders: [lastcall(1, 50), raw(50)]
}

/** Ours also stores what each of them tells, 4,000 events a second; the peer has nothing to store. */
export const manyTasksRow: Row = {
  title: '1,000 tasks with 1 subscriber each, 4 events/s',
  contenders: [lastcall(1000, 250), raw(250)]
}
