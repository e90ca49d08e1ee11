import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Answer {
  status: number
  body: string
}

const endOfHead = '\r\n\r\n'

/** One keep-alive connection, one request at a time. Cheap, so that the server is what is measured. */
export class Connection {
  readonly #socket: Socket
  #received = ''
  #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1').setNoDelay(true).setEncoding('latin1')
    this.#socket.on('data', (text: unknown) => {
      this.#received += String(text)
      this.#take()
    })
    const failed = (error: Error) => this.#waiting?.reject(error)
    this.#socket.on('error', failed)
    this.#socket.on('close', () => failed(new Error(`port ${port} closed the connection`)))
  }

  request(text: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket.write(text)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(): void {
    const bodyAt = this.#received.indexOf(endOfHead) + endOfHead.length
    if (bodyAt < endOfHead.length) return
    const length = Number(/content-length: (\d+)/i.exec(this.#received)?.[1] ?? 0)
    if (this.#received.length < bodyAt + length) return
    const answer = { status: Number(this.#received.slice(9, 12)), body: this.#received.slice(bodyAt) }
    this.#received = ''
    this.#waiting?.resolve(answer)
  }
}

export const getText = (path: string) => `GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`

export function postText(path: string, body: object): string {
  const json = JSON.stringify(body)
  return `POST ${path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`
}

/** Starts a task; resolves with its id. */
export async function startTask(connection: Connection, type: string, input: object): Promise<string> {
  const { status, body } = await connection.request(postText('/api/tasks', { type, input }))
  if (status !== 202) throw new Error(`a task was answered ${status} ${body}`)
  return JSON.parse(body).taskId
}

/** Reads a stream of events to its end, on a connection of its own. */
export function readStream(port: number, path: string, onEvents: (count: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(getText(path)))
    socket.setEncoding('latin1').on('data', (text: unknown) => onEvents(countEvents(String(text))))
    socket.on('error', reject).on('close', () => resolve())
  })
}

// An `id:` line that two packets share is not counted; events are written as a whole, so that hardly happens.
function countEvents(text: string): number {
  const line = '\nid: '
  let count = 0
  for (let at = text.indexOf(line); at >= 0; at = text.indexOf(line, at + line.length)) count++
  return count
}

/** Starts inline no-ops at a steady rate. */
export async function startTasks(
  open: readonly Connection[],
  tasksPerSecond: number,
  seconds: number
): Promise<void> {
  const startedAt = performance.now()
  let started = 0
  const work = async (connection: Connection) => {
    for (;;) {
      const dueMs = (started++ / tasksPerSecond) * 1000
      if (dueMs > seconds * 1000) return
      await sleep(Math.max(0, startedAt + dueMs - performance.now()))
      await startTask(connection, 'no-op-inline', {})
    }
  }
  await Promise.all(open.map(work))
}
