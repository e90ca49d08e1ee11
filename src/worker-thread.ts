import { Worker as Thread } from 'node:worker_threads'
import { readLines } from './lines.ts'
import type { Log } from './log.ts'
import type { FromWorker } from './worker.ts'
import { type WorkerStarter, workerFile } from './worker-pool.ts'

/** Workers as threads: they start and communicate faster than processes, but share the service's memory. */
export function threadStarter(memoryLimitMiB: number, log: Log): WorkerStarter {
  let warned = false
  const checkHeapLimit = (heapLimitMiB: number, maxYoungMiB: number) => {
    if (warned || heapLimitMiB <= memoryLimitMiB + maxYoungMiB + 1) return
    warned = true
    const fields = { WORKER_MEMORY_LIMIT: memoryLimitMiB, heapLimitMiB: Math.round(heapLimitMiB) }
    log.warn(
      fields,
      '--max-old-space-size of node or NODE_OPTIONS overrides WORKER_MEMORY_LIMIT for worker threads'
    )
  }

  return {
    start(events) {
      const thread = new Thread(workerFile, {
        resourceLimits: { maxOldGenerationSizeMb: memoryLimitMiB },
        // Not piped into the service's own streams, whose reader may be gone.
        stdout: true,
        stderr: true
      })
      const { maxYoungGenerationSizeMb = 0 } = thread.resourceLimits ?? {}
      let cause: string | undefined
      void readLines(thread.stdout, (line) => events.output('stdout', line))
      void readLines(thread.stderr, (line) => events.output('stderr', line))
      thread.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') checkHeapLimit(message.heapLimitMiB, maxYoungGenerationSizeMb)
        events.message(message)
      })
      thread.on('error', (error) => {
        cause = error instanceof Error ? error.message : String(error)
      })
      thread.on('exit', (code) => events.died(cause ?? `The thread exited with code ${code}`, false))
      return {
        post: (message) => thread.postMessage(message),
        kill: () => void thread.terminate()
      }
    },
    close() {}
  }
}
