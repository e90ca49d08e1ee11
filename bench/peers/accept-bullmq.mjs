// A route that adds a job to BullMQ, with the same schemas.
import { Queue } from 'bullmq'
import Fastify from 'fastify'
import { Redis } from 'ioredis'

const { NewTask, TaskStarted } = JSON.parse(process.env.SCHEMAS)
const connection = new Redis(Number(process.env.REDIS_PORT), '127.0.0.1', { maxRetriesPerRequest: null })
const queue = new Queue('bench', { connection })
const app = Fastify({ logger: { level: 'warn' } })

app.post(
  '/api/tasks',
  { schema: { body: NewTask, response: { 202: TaskStarted } } },
  async (request, reply) => {
    const { type, input } = request.body
    const { id } = await queue.add(type, input)
    const statusUrl = `/api/tasks/${id}`
    return reply
      .code(202)
      .header('location', statusUrl)
      .send({ taskId: id, type, status: 'pending', statusUrl, streamUrl: `${statusUrl}/stream` })
  }
)
app.get('/readyz', async () => 'ok')

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
