import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Settings } from '../src/config.ts'

declare module 'fastify' {
  interface FastifyInstance {
    config: Settings
  }
}

async function configPlugin(app: FastifyInstance, { settings }: { settings: Settings }) {
  app.decorate('config', settings)
}

export default fp(configPlugin, { name: 'config', fastify: '5.x' })
