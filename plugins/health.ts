import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { type CheckResult, Health } from '../src/health.ts'

declare module 'fastify' {
  interface FastifyInstance {
    health: Health
    /** The answer of `/readyz`; `status` is `ok` while the process is ready. */
    readiness(exclude?: readonly string[]): Promise<Readiness>
  }
}

interface Readiness {
  status: 'ok' | 'draining' | 'starting' | 'task service unhealthy'
  checks: Record<string, CheckResult>
  activeTasks: number
  draining: boolean
}

async function healthPlugin(app: FastifyInstance) {
  const health = new Health()
  health.addCheck('tasks', () => app.tasks.check())
  app.decorate('health', health)
  app.decorate('readiness', async (exclude) => {
    const checks = await health.check(exclude)
    const healthy = Object.values(checks).every(({ ok }) => ok)
    const draining = app.shutdown.isDraining()
    const unready =
      app.tasks.state === 'starting' ? 'starting' : healthy ? undefined : 'task service unhealthy'
    const status = draining ? 'draining' : (unready ?? 'ok')
    return { status, checks, activeTasks: app.tasks.getActiveTaskCount(), draining }
  })
}

export default fp(healthPlugin, { name: 'health', fastify: '5.x', dependencies: ['shutdown', 'tasks'] })
