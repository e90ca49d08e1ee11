import fastJson from 'fast-json-stringify'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { onFirstUse } from '../src/validation.ts'

/** Fastify's own serializer, compiled for each answer when it is first given, and not all of them at the start. */
async function serializationPlugin(app: FastifyInstance) {
  app.setSerializerCompiler(({ schema }) => {
    const serializer = onFirstUse(() => fastJson(schema))
    return (data) => serializer()(data)
  })
}

export default fp(serializationPlugin, { name: 'serialization', fastify: '5.x' })
