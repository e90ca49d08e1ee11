// Open streams without anything around them.
import Fastify from 'fastify'

const app = Fastify({ logger: { level: 'warn' } })
app.get('/stream', (_request, reply) => {
  reply.hijack()
  reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  reply.raw.write('id: 1\nevent: task_started\ndata: {}\n\n')
})
app.get('/readyz', async () => 'ok')
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
