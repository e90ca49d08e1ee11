// Bare round trips to worker threads, and what a kill of one costs.
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'

const filename = fileURLToPath(new URL('piscina-task.mjs', import.meta.url))
const inFlight = 64

async function roundTrips({ seconds, threads }) {
  const pool = new Piscina({ filename, minThreads: threads, maxThreads: threads })
  await pool.run({})
  const until = performance.now() + seconds * 1000
  let count = 0
  const startedAt = performance.now()
  const loop = async () => {
    for (; performance.now() < until; count++) await pool.run({})
  }
  await Promise.all(Array.from({ length: inFlight }, loop))
  const rate = count / ((performance.now() - startedAt) / 1000)
  await pool.destroy()
  return { 'tasks/s': rate }
}

/** As lastcall's pool: threads start when the first task needs one. */
async function kill() {
  const pool = new Piscina({ filename, minThreads: 1, maxThreads: 1 })
  await pool.run({})
  const abort = new AbortController()
  const spinning = pool.run({ spin: true }, { signal: abort.signal }).catch(() => {})
  await new Promise((resolve) => setTimeout(resolve, 100))
  const next = pool.run({})
  const killedAt = performance.now()
  abort.abort()
  await Promise.all([spinning, next])
  const ms = performance.now() - killedAt
  await pool.destroy()
  return { 'ms to the next result': ms }
}

process.on('message', async (question) => {
  process.send(await (question.what === 'kill' ? kill() : roundTrips(question)))
})
