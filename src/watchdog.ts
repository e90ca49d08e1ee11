import { type ChildProcess, spawn } from 'node:child_process'
import type { Log } from './log.ts'

// Reads lists of process ids until their writer is gone, and then ends the processes of the last one.
const script = "trap '' HUP INT QUIT TERM USR2; while read -r line; do pids=$line; done; kill -9 $pids"

/**
 * Ends the worker processes when this process is gone, even by SIGKILL. A task that spins cannot notice that itself, and
 * a thread that looks in its place would cost each worker 9 to 18 MiB; one shell for all of them costs one.
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
    this.#shell ??= this.#start()
    this.#update()
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
    const shell = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], env: {} })
    shell.unref()
    shell.stdin?.on('error', () => {})
    shell.on('error', (err) => {
      this.#log.warn({ err }, 'no watchdog: worker processes that spin may outlive a service that was killed')
    })
    shell.on('exit', () => {
      this.#shell = undefined
      for (const pid of this.#pids) this.add(pid)
    })
    return shell
  }
}
