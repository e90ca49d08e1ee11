/** The worker thread's side of runner.ts: Piscina calls the default export for each task that the thread gets. */
import { inspect } from 'node:util'
import type { MessagePort } from 'node:worker_threads'
import type { ErrorInfo } from './task.ts'
import {
  type AbortCause,
  abortReason,
  codedError,
  type Job,
  type Report,
  type RunEnd,
  runJob
} from './task-context.ts'
import type { TaskType } from './task-type.ts'

export interface ThreadJob extends Job {
  /** URL of the module whose default export is the task type. */
  module: string
  port: MessagePort
}

export type FromThread = Report | { kind: 'checkpoint'; id: number; state: string }
export type ToThread =
  | { kind: 'abort'; cause: AbortCause }
  | { kind: 'checkpointed'; id: number; error?: ErrorInfo }

// Asked again, the loader takes longer than many a task.
let loaded: { module: string; type: TaskType } | undefined

export default async function runInThread({ module, port, ...job }: ThreadJob): Promise<RunEnd> {
  const abort = new AbortController()
  const saving = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
  let saves = 0

  port.on('message', (message: ToThread) => {
    if (message.kind === 'abort') return abort.abort(abortReason(message.cause))
    const save = saving.get(message.id)
    saving.delete(message.id)
    if (message.error === undefined) save?.resolve()
    else save?.reject(codedError(message.error.code, message.error.message))
  })

  const send = (message: FromThread) => port.postMessage(message)
  const report = (message: Report) => {
    try {
      send(message)
    } catch (error) {
      // Functions and the like cannot cross; what can be said of them is better than nothing.
      if (message.kind !== 'log') throw error
      send({ ...message, fields: { fields: inspect(message.fields) } })
    }
  }
  const saveCheckpoint = (state: string) =>
    new Promise<void>((resolve, reject) => {
      const id = ++saves
      saving.set(id, { resolve, reject })
      send({ kind: 'checkpoint', id, state })
    })

  try {
    const run = async (input: unknown, ctx: Parameters<TaskType['run']>[1]) => {
      if (loaded?.module !== module) loaded = { module, type: (await import(module)).default }
      return loaded.type.run(input, ctx)
    }
    return await runJob(run, job, { abort, report, saveCheckpoint })
  } finally {
    port.close()
  }
}
