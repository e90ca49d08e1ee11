// What accepting a task costs without keeping it: the same schemas, all answers of an event-loop turn at its end.
import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'

const { NewTask, TaskStarted } = JSON.parse(process.env.SCHEMAS)
// The same logger setting as ours.
const app = Fastify({ logger: { level: 'warn' } })
let waiting = []

const endOfTurn = () =>
  new Promise((resolve) => {
    if (waiting.length === 0) {
      setImmediate(() => {
        const turn = waiting
        waiting = []
        for (const answer of turn) answer()
      })
    }
    waiting.push(resolve)
  })

app.post(
  '/api/tasks',
  { schema: { body: NewTask, response: { 202: TaskStarted } } },
  async (request, reply) => {
    const taskId = randomUUID()
    const statusUrl = `/api/tasks/${taskId}`
    await endOfTurn()
    return reply
      .code(202)
      .header('location', statusUrl)
      .send({
        taskId,
        type: request.body.type,
        status: 'pending',
        statusUrl,
        streamUrl: `${statusUrl}/stream`
      })
  }
)
app.get('/readyz', async () => 'ok')

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
