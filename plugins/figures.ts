import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Figures } from '../src/figures.ts'

declare module 'fastify' {
  interface FastifyInstance {
    figures: Figures
  }
}

async function figuresPlugin(app: FastifyInstance) {
  const figures = new Figures(app.taskMetrics, () => app.tasks.pendingCounts())
  app.decorate('figures', figures)
  app.addHook('onListen', async () => figures.start())
  app.addHook('onClose', async () => figures.stop())
}

export default fp(figuresPlugin, { name: 'figures', fastify: '5.x', dependencies: ['metrics', 'tasks'] })
