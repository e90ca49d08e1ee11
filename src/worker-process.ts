import { fork } from 'node:child_process'
import { getPriority, setPriority } from 'node:os'
import { readLines } from './lines.ts'
import type { Log } from './log.ts'
import { Watchdog } from './watchdog.ts'
import { type WorkerStarter, workerFile } from './worker-pool.ts'

// 5 leaves a worker a third of the service's CPU weight. With 10, a tenth, tasks starved for 20 s on a machine with ten busy
// processes per core.
const nicer = 5
/** How long to wait for the last lines of a process that exited: its own children may keep its pipes open. */
const lastLinesMs = 500

// The service's own heap flags must not reach its children, where some of them would override the children's limit.
const heapFlags = /--max[-_](old[-_]space[-_]size([-_]percentage)?|heap[-_]size)(=|\s+)\S+/g

/** Workers as child processes: whatever happens to one, the service survives. */
export function processStarter(memoryLimitMiB: number, log: Log): WorkerStarter {
  const watchdog = new Watchdog(log)

  return {
    start(events) {
      const child = fork(workerFile, {
        serialization: 'advanced',
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        execArgv: [
          ...process.execArgv.filter((flag) => !flag.startsWith('--inspect')),
          `--max-old-space-size=${memoryLimitMiB}`
        ],
        env: { ...process.env, NODE_OPTIONS: process.env.NODE_OPTIONS?.replaceAll(heapFlags, '') }
      })
      const { pid } = child
      if (pid !== undefined) {
        watchdog.add(pid)
        try {
          setPriority(pid, Math.min(getPriority() + nicer, 19))
        } catch (err) {
          log.debug({ err }, 'a worker process keeps its priority')
        }
      }

      let outOfMemory = false
      let exit = 'The process could not be started'
      let interrupted = false
      const died = () => events.died(outOfMemory ? `${exit}: out of memory` : exit, interrupted)
      const onLine = (stream: 'stdout' | 'stderr') => (line: string) => {
        if (stream === 'stderr' && /^(FATAL ERROR|# Fatal).*memory/i.test(line)) outOfMemory = true
        events.output(stream, line)
      }
      if (child.stdout) void readLines(child.stdout, onLine('stdout'))
      if (child.stderr) void readLines(child.stderr, onLine('stderr'))
      child.on('message', events.message)
      // The task may have disconnected the channel itself.
      child.on('disconnect', () => child.kill('SIGKILL'))
      child.on('error', (error) => {
        exit = `The process could not be started: ${error.message}`
        if (pid === undefined) died()
      })
      child.on('exit', (code, signal) => {
        if (pid !== undefined) watchdog.delete(pid)
        exit = signal ? `The process was ended by ${signal}` : `The process exited with code ${code}`
        interrupted = signal === 'SIGINT' || signal === 'SIGTERM' || signal === 'SIGHUP'
        setTimeout(died, lastLinesMs).unref()
      })
      child.on('close', died)
      return {
        // The exit handler reports a process that is gone.
        post: (message) => child.send(message, () => {}),
        kill: () => child.kill('SIGKILL')
      }
    },
    close: () => watchdog.close()
  }
}
