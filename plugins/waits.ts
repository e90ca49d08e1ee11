import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    waits: Waits
  }
}

/** Requests that wait for something: for so long, and no longer than their client and this process are there. */
class Waits {
  readonly #open = new Set<AbortController>()
  #ended = false

  /** Resolves when `wait` has, or when its signal is aborted. */
  async wait(reply: FastifyReply, ms: number, wait: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.#ended) return
    const over = new AbortController()
    const end = () => over.abort()
    const timer = setTimeout(end, ms)
    reply.raw.once('close', end)
    this.#open.add(over)
    try {
      await wait(over.signal)
    } finally {
      clearTimeout(timer)
      reply.raw.off('close', end)
      this.#open.delete(over)
    }
  }

  /** Lets all of them be answered, and those that come from now on at once. */
  end(): void {
    this.#ended = true
    for (const over of this.#open) over.abort()
  }
}

async function waitsPlugin(app: FastifyInstance) {
  const waits = new Waits()
  app.decorate('waits', waits)
  // After the drain: what ran has ended by then.
  app.addHook('preClose', async () => waits.end())
}

export default fp(waitsPlugin, { name: 'waits', fastify: '5.x', dependencies: ['shutdown', 'tasks'] })
