/** The thread that the store lives in: whatever the disk does, the event loop goes on. */
import { parentPort, workerData } from 'node:worker_threads'
import { StartError, TaskError } from '../errors.ts'
import type { Log, LogLevel } from '../log.ts'
import type { FromThread, Method, Notice, Request, ThreadData, ToThread } from './messages.ts'
import { StoreService } from './store-service.ts'

const port = parentPort
if (!port) throw new Error('store-thread.ts is a thread of the service')

let notices: Notice[] = []
let lastBatch = 0
let isFlushing = false
const flush = () => {
  isFlushing = false
  const message: FromThread = [lastBatch, notices]
  notices = []
  port.postMessage(message)
}
const scheduleFlush = () => {
  if (isFlushing) return
  isFlushing = true
  setImmediate(flush)
}
const notify = (notice: Notice) => {
  notices.push(notice)
  scheduleFlush()
}

const logAt =
  (level: LogLevel): Log[LogLevel] =>
  (fields, message) =>
    notify(['log', level, fields, message])
const log: Log = {
  ...{ debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
  child: () => log
}

let service: StoreService | undefined

/** The methods by their names: what is called is typed where it is asked for. */
type Call = (...args: unknown[]) => unknown

function call(method: Method, args: unknown[]): unknown {
  service ??= new StoreService((workerData as ThreadData).options, log, notify)
  return (service[method] as Call).apply(service, args)
}

async function answer([id, method, args]: Request): Promise<void> {
  try {
    const value = await call(method, args)
    if (id !== undefined) notify(['answer', id, value])
  } catch (error) {
    if (id !== undefined) notify(refusal(id, error))
  }
}

function refusal(id: number, error: unknown): Notice {
  if (error instanceof TaskError) return ['refused', id, error.code, error.message]
  const thrown = error instanceof Error ? error : new Error(String(error))
  return ['failed', id, thrown, error instanceof StartError]
}

port.on('message', ([batch, requests]: ToThread) => {
  lastBatch = batch
  for (const request of requests) void answer(request)
  // After the transaction of these requests, so that one message tells of both.
  scheduleFlush()
})
