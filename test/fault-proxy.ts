/** A TCP proxy that does to connections what networks do. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { seededRandom } from './system/random.ts'

interface Teardown {
  teardown(handler: () => unknown): void
}

/** What every chunk goes through; `delayMs` is drawn for each. */
interface Weather {
  delayMs: () => number
  bytesPerMs: number
}

const calm: Weather = { delayMs: () => 0, bytesPerMs: Number.POSITIVE_INFINITY }
const bytesPerMs = (bitsPerSecond: number) => bitsPerSecond / 8 / 1000

/** One direction of a connection: chunks arrive in order, each not before its time. */
class Pipe {
  readonly #from: Socket
  readonly #to: Socket
  readonly #weather: () => Weather
  #waiting: { chunk: Buffer; at: number }[] = []
  #timer: NodeJS.Timeout | undefined
  #lineFreeAt = 0
  #stalledUntil = 0
  #swallowing = false
  #onChunk: (() => boolean) | undefined

  constructor(from: Socket, to: Socket, weather: () => Weather) {
    this.#from = from
    this.#to = to
    this.#weather = weather
    from.on('data', (chunk: Buffer) => this.#take(chunk))
  }

  /** Nothing that is sent from now on arrives. */
  swallow(): void {
    this.#swallowing = true
    this.#waiting = []
  }

  stall(ms: number): void {
    this.#stalledUntil = performance.now() + ms
    this.#flush()
  }

  /** Called with the next chunk, which is dropped. */
  dropNext(then: () => void): void {
    this.#onChunk = () => {
      this.#onChunk = undefined
      then()
      return true
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#waiting = []
  }

  #take(chunk: Buffer): void {
    if (this.#swallowing || this.#onChunk?.()) return
    const { delayMs, bytesPerMs } = this.#weather()
    const now = performance.now()
    this.#lineFreeAt = Math.max(now, this.#lineFreeAt) + chunk.length / bytesPerMs
    const before = this.#waiting.at(-1)?.at ?? 0
    this.#waiting.push({ chunk, at: Math.max(before, this.#lineFreeAt + delayMs()) })
    if (this.#waiting.length > 100) this.#from.pause()
    this.#flush()
  }

  #flush(): void {
    clearTimeout(this.#timer)
    for (;;) {
      const [next] = this.#waiting
      if (!next) {
        this.#from.resume()
        return
      }
      const waitMs = Math.max(next.at, this.#stalledUntil) - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#flush(), Math.ceil(waitMs))
        return
      }
      this.#waiting.shift()
      if (!this.#to.destroyed) this.#to.write(next.chunk)
    }
  }
}

/** A client's connection and the one behind it. */
class Link {
  readonly #client: Socket
  readonly #server: Socket
  readonly #commands: Pipe
  readonly #answers: Pipe
  #halfOpen = false
  #closed = false

  constructor(client: Socket, server: Socket, weather: () => Weather) {
    this.#client = client
    this.#server = server
    this.#commands = new Pipe(client, server, weather)
    this.#answers = new Pipe(server, client, weather)
    client.setNoDelay(true)
    server.setNoDelay(true)
    client.on('error', () => {})
    server.on('error', () => {})
    // The server of a half-open connection learns nothing either: it keeps the client, and what that waits for.
    client.on('close', () => this.#halfOpen || this.close())
    server.on('close', () => this.#halfOpen || this.close())
  }

  /** Cut with an RST on both sides. */
  reset(): void {
    this.close()
  }

  /** Packets vanish, in both directions and for ever, and nobody is told. */
  halfOpen(): void {
    this.#halfOpen = true
    this.#commands.swallow()
    this.#answers.swallow()
  }

  /** The next command is done; its answer is lost with the connection. */
  loseAnswer(): void {
    this.#answers.dropNext(() => this.reset())
  }

  /** What is sent in the next `ms` arrives after them. */
  stall(ms: number): void {
    this.#commands.stall(ms)
    this.#answers.stall(ms)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#commands.close()
    this.#answers.close()
    cut(this.#client)
    cut(this.#server)
  }
}

/**
 * Sends an RST. Not to a socket that shuts down: Node 20.20.2 cannot, keeps its handle for ever, and spins when the process
 * is to exit. `resetAndDestroy` shuts it down itself, and must not be disturbed by what is read meanwhile.
 */
export function cut(socket: Socket): void {
  if (socket.writableEnded) {
    socket.destroy()
  } else {
    socket.pause()
    socket.resetAndDestroy()
  }
}

export const faults = ['reset', 'loseAnswer', 'halfOpen', 'stall'] as const
export type Fault = (typeof faults)[number]

/** A proxy on a free loopback port to a port of this machine; ended with the test. */
export async function startFaultProxy(t: Teardown, targetPort: number) {
  const links = new Set<Link>()
  let weather = calm
  let refusing = false
  const server = createServer((client) => {
    if (refusing) {
      cut(client)
      return
    }
    const upstream = connect(targetPort, '127.0.0.1')
    const link = new Link(client, upstream, () => weather)
    links.add(link)
    client.on('close', () => links.delete(link))
    t.teardown(() => link.close())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  t.teardown(() => {
    for (const link of links) link.close()
    server.close()
  })

  const strike = (link: Link, fault: Fault, stallMs: number) =>
    fault === 'stall' ? link.stall(stallMs) : link[fault]()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get connections(): number {
      return links.size
    },
    /** Does it to all connections that are open now. */
    strikeAll(fault: Fault, stallMs = 1_000): void {
      for (const link of [...links]) strike(link, fault, stallMs)
    },
    /** Does it to one of them. */
    strikeOne(fault: Fault, random: ReturnType<typeof seededRandom>, stallMs = 1_000): void {
      const open = [...links]
      if (open.length > 0) strike(random.pick(open), fault, stallMs)
    },
    /** From now on every chunk takes so long, one way. */
    delay(ms: number, jitterMs: number, random: ReturnType<typeof seededRandom>): void {
      weather = { ...weather, delayMs: () => ms + (random.next() * 2 - 1) * jitterMs }
    },
    /** From now on each direction of a connection is so fast. */
    throttle(bitsPerSecond: number): void {
      weather = { ...weather, bytesPerMs: bytesPerMs(bitsPerSecond) }
    },
    /** Takes no new connections, or takes them again. */
    refuse(refuses: boolean): void {
      refusing = refuses
    },
    /** From now on delays and throttles nothing. */
    calm(): void {
      weather = calm
    }
  }
}

export type FaultProxy = Awaited<ReturnType<typeof startFaultProxy>>
