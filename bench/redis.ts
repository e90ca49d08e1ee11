import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from './program.ts'

export const hasRedis: boolean = spawnSync('redis-server', ['--version']).status === 0

/** A Redis of the benchmarks' own, on a free port of this machine, that writes its log to disk every second. */
export async function startRedis(): Promise<{ port: number; stop(): Promise<void> }> {
  const data = fileURLToPath(new URL('data/', import.meta.url))
  mkdirSync(data, { recursive: true })
  const dir = mkdtempSync(`${data}redis-`)
  const port = await freePort()
  const options = ['--port', port, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'yes']
  const server = spawn('redis-server', options.map(String), { stdio: 'ignore' })
  const kill = () => server.kill('SIGKILL')
  process.once('exit', kill)
  while (!(await accepts(port))) await sleep(10)
  return {
    port,
    async stop() {
      process.off('exit', kill)
      server.kill('SIGTERM')
      await once(server, 'exit')
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy())
  })
}
