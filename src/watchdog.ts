import { type ChildProcess, spawn } from 'node:child_process'
import type { Log } from './log.ts'

// Reads lists of process ids until the writer is gone, then kills the processes of the last list. The first list is in
// its arguments: the service may be killed before it writes one.
const script =
  "trap '' HUP INT QUIT TERM USR2; pids=$*; while read -r line; do pids=$line; done; kill -9 $pids"

/**
 * Kills the worker processes when this process is gone, even by SIGKILL. A spinning task cannot notice that itself, and
 * a watchdog thread would cost each worker 9 to 18 MiB; one shell for all of them costs 1 MiB.
 */
export class Watchdog {
  readonly #log: Log
  readonly #pids = new Set<number>()
  #shell: ChildProcess | undefined

  constructor(log: Log) {
    this.#log = log
  }

  add(pid: number): void {
    this.#pids.add(pid)
    if (this.#shell) this.#update()
    else this.#shell = this.#start()
  }

  delete(pid: number): void {
    this.#pids.delete(pid)
    this.#update()
  }

  close(): void {
    this.#shell?.removeAllListeners('exit').stdin?.end('\n')
  }

  #update(): void {
    this.#shell?.stdin?.write(`${[...this.#pids].join(' ')}\n`)
  }

  #start(): ChildProcess {
    const args = ['-c', script, 'watchdog', ...[...this.#pids].map(String)]
    const shell = spawn('/bin/sh', args, { stdio: ['pipe', 'ignore', 'ignore'], env: {} })
    shell.unref()
    shell.stdin?.on('error', () => {})
    shell.on('error', (err) => {
      this.#log.warn({ err }, 'no watchdog: worker processes that spin may outlive a service that was killed')
    })
    shell.on('exit', () => {
      this.#shell = this.#pids.size > 0 ? this.#start() : undefined
    })
    return shell
  }
}
