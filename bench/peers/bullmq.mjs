// What people would use instead: BullMQ on a Redis of its own, adding and processing in one process.
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'

const inFlight = 64
const connect = () => new Redis(Number(process.env.REDIS_PORT), '127.0.0.1', { maxRetriesPerRequest: null })
const queue = new Queue('bench', { connection: connect() })
const input = { part: 'R1', quantity: 10, text: 'x'.repeat(100) }
const started = new Map()
const completed = new Map()
const worker = new Worker(
  'bench',
  async (job) => {
    started.get(job.name)?.(performance.now())
    return null
  },
  { connection: connect(), concurrency: inFlight }
)
worker.on('completed', (job) => completed.get(job.name)?.())
const options = { removeOnComplete: { age: 600 } }
let jobs = 0

async function life({ seconds }) {
  const until = performance.now() + seconds * 1000
  let count = 0
  const loop = async () => {
    while (performance.now() < until) {
      const name = String(jobs++)
      const done = new Promise((resolve) => completed.set(name, resolve))
      await queue.add(name, input, options)
      await done
      completed.delete(name)
      count++
    }
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: inFlight }, loop))
  return { 'tasks/s': count / ((performance.now() - startedAt) / 1000) }
}

async function pickup({ seconds }) {
  const until = performance.now() + seconds * 1000
  const times = []
  while (performance.now() < until) {
    const name = String(jobs++)
    const active = new Promise((resolve) => started.set(name, resolve))
    const addedAt = performance.now()
    await queue.add(name, input, options)
    times.push((await active) - addedAt)
    started.delete(name)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  times.sort((a, b) => a - b)
  return { 'p50 ms': times[times.length >> 1], 'p99 ms': times[Math.floor(times.length * 0.99)] }
}

await worker.waitUntilReady()
process.on('message', async (question) => {
  process.send(await (question.what === 'life' ? life(question) : pickup(question)))
})
