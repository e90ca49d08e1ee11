// BullMQ's sandboxed processors, in child processes or worker threads, with two jobs at a time.
import { fileURLToPath } from 'node:url'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'

const inFlight = 64
const connect = () => new Redis(Number(process.env.REDIS_PORT), '127.0.0.1', { maxRetriesPerRequest: null })
const processor = fileURLToPath(new URL('sandboxed-processor.mjs', import.meta.url))
const completed = new Map()
let queue
let jobs = 0

async function life({ seconds, useWorkerThreads }) {
  if (!queue) {
    queue = new Queue('bench', { connection: connect() })
    const worker = new Worker('bench', processor, { connection: connect(), concurrency: 2, useWorkerThreads })
    worker.on('completed', (job) => completed.get(job.name)?.())
    await worker.waitUntilReady()
  }
  const until = performance.now() + seconds * 1000
  let count = 0
  const loop = async () => {
    while (performance.now() < until) {
      const name = String(jobs++)
      const done = new Promise((resolve) => completed.set(name, resolve))
      await queue.add(name, {}, { removeOnComplete: { age: 600 } })
      await done
      completed.delete(name)
      count++
    }
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: inFlight }, loop))
  return { 'tasks/s': count / ((performance.now() - startedAt) / 1000) }
}

process.on('message', async (question) => process.send(await life(question)))
