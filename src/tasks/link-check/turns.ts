/** Lets a number of pieces of work run at once; the others wait, first in, first out. */
export class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}

/** Lets one piece of work per host run at once. */
export class HostTurns {
  readonly #hosts = new Map<string, Slots>()

  take<Result>(hostname: string, work: () => Promise<Result>): Promise<Result> {
    const slots = this.#hosts.get(hostname) ?? new Slots(1)
    this.#hosts.set(hostname, slots)
    return slots.take(work)
  }
}
