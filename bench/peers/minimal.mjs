// The least that starts, says that it is ready, and leaves politely.
import closeWithGrace from 'close-with-grace'
import Fastify from 'fastify'

const app = Fastify()
app.get('/readyz', async () => 'ok')
closeWithGrace({ logger: false }, () => app.close())
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
