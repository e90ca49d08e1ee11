import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Streams } from '../src/streams.ts'

declare module 'fastify' {
  interface FastifyInstance {
    streams: Streams
  }
}

async function streamsPlugin(app: FastifyInstance) {
  const streams = new Streams(app.taskMetrics, app.tasks)
  app.decorate('streams', streams)
  app.shutdown.onDrain({
    name: 'streams',
    pause: () => streams.handOver(),
    resume: () => streams.keep(),
    // Streams that are still open then end below.
    remaining: () => 0,
    idle: async () => {},
    cancel: async () => ({ forced: false })
  })
  // After the drain: the tasks that ran here have ended, all others continue elsewhere or later.
  app.shutdown.beforeExit('ending the streams', () => streams.end())
}

export default fp(streamsPlugin, {
  name: 'streams',
  fastify: '5.x',
  dependencies: ['shutdown', 'metrics', 'tasks']
})
