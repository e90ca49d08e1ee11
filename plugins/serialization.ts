import fastJson from 'fast-json-stringify'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { onFirstUse } from '../src/validation.ts'

/** Fastify's own serializers, each compiled on first use instead of all of them at the start. */
async function serializationPlugin(app: FastifyInstance) {
  app.setSerializerCompiler(({ schema }) => {
    const serializer = onFirstUse(() => fastJson(schema))
    return (data) => serializer()(data)
  })
}

export default fp(serializationPlugin, { name: 'serialization', fastify: '5.x' })
