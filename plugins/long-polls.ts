import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    longPolls: LongPolls
  }
}

/** Requests with `?wait=`: each waits until its event, its time limit, the end of its connection or the exit of the process. */
class LongPolls {
  readonly #open = new Set<AbortController>()
  #ended = false

  /** Resolves with `wait`, whose signal is aborted at the time limit, when the client disconnects and before the exit. */
  async wait(reply: FastifyReply, ms: number, wait: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.#ended) return
    const controller = new AbortController()
    const end = () => controller.abort()
    const timer = setTimeout(end, ms)
    reply.raw.once('close', end)
    this.#open.add(controller)
    try {
      await wait(controller.signal)
    } finally {
      clearTimeout(timer)
      reply.raw.off('close', end)
      this.#open.delete(controller)
    }
  }

  /** Answers all of them now, and later ones at once. */
  end(): void {
    this.#ended = true
    for (const controller of this.#open) controller.abort()
  }
}

async function longPollsPlugin(app: FastifyInstance) {
  const longPolls = new LongPolls()
  app.decorate('longPolls', longPolls)
  // After the drain: the tasks that ran here have ended.
  app.shutdown.beforeExit('answering requests that wait', () => longPolls.end())
}

export default fp(longPollsPlugin, {
  name: 'long-polls',
  fastify: '5.x',
  dependencies: ['shutdown', 'tasks']
})
