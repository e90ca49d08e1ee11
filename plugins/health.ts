import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Health } from '../src/health.ts'

declare module 'fastify' {
  interface FastifyInstance {
    health: Health
  }
}

async function healthPlugin(app: FastifyInstance) {
  const health = new Health()
  health.addCheck('tasks', () => app.tasks.check())
  app.decorate('health', health)
}

export default fp(healthPlugin, { name: 'health', fastify: '5.x', dependencies: ['shutdown', 'tasks'] })
