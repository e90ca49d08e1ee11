// What delivering events costs without a framework: the same bytes, written as they are to every open response.
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const taskId = '01a20740-94d9-71f6-b449-e593a2f072e2'
const open = new Set()

const server = createServer((request, response) => {
  if (request.url === '/readyz') return response.end('ok')
  if (request.method === 'POST') {
    response.writeHead(202).end()
    const [count, everyMs] = request.url.split('/').slice(2).map(Number)
    void tick(count, everyMs)
    return
  }
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
    connection: 'close'
  })
  response.write('retry: 1000\n\n')
  send(response, 1, 'task_started', { attempt: 1 })
  open.add(response)
})

async function tick(count, everyMs) {
  for (let n = 1; n <= count; n++) {
    for (const response of open)
      send(response, n + 1, 'progress_update', { value: n / count, text: `tick ${n}` })
    await sleep(everyMs)
  }
  for (const response of open) {
    send(response, count + 2, 'task_completed', { ticks: count })
    response.end()
  }
  open.clear()
}

function send(response, id, type, data) {
  const json = JSON.stringify({ taskId, type, timestamp: new Date().toISOString(), data })
  response.write(`id: ${id}\nevent: ${type}\ndata: ${json}\n\n`)
}

// As Fastify's.
server.keepAliveTimeout = 72_000
server.listen(Number(process.env.PORT), '127.0.0.1')
