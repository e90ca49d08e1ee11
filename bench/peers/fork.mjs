// A bare child process: what its kill and the first message of the next one take, and its memory.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const start = () => fork(fileURLToPath(new URL('forked.mjs', import.meta.url)), { serialization: 'advanced' })

async function kill() {
  const spinning = start()
  await once(spinning, 'message')
  spinning.send('spin')
  await sleep(100)
  const killedAt = performance.now()
  spinning.kill('SIGKILL')
  const next = start()
  await once(next, 'message')
  const ms = performance.now() - killedAt
  next.kill('SIGKILL')
  return { 'ms to the next result': ms }
}

async function memory() {
  const child = start()
  await once(child, 'message')
  await sleep(500)
  const [, kibibytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))
  child.kill('SIGKILL')
  return { MiB: kibibytes / 1024 }
}

process.on('message', async ({ what }) => process.send(await (what === 'kill' ? kill() : memory())))
