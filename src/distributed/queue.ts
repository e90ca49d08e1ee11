import { Queue as BullmqQueue, Worker } from 'bullmq'
import type { Log } from '../log.ts'
import { within } from '../shutdown.ts'
import type { Connection } from './connection.ts'
import { lockMs, queueName } from './scripts.ts'

/** How often BullMQ looks for jobs without a lock, all processes together. */
export const stalledCheckMs = 1_000
// Nobody reads BullMQ's own events: a task's history is its own stream.
const bullmqEvents = 100
const stopWithinMs = 500

/** BullMQ's side of the tasks, apart from what their scripts do: waiting for work, renewing locks, finding stalled jobs. */
export class Queue {
  readonly #owner: string
  readonly #connection: Connection
  readonly #queue: BullmqQueue
  readonly #worker: Worker
  readonly #marker: string

  /** `key` is the prefix of all keys. */
  constructor(connection: Connection, key: string, owner: string, log: Log) {
    this.#owner = owner
    this.#connection = connection
    this.#marker = `${key}:${queueName}:marker`
    const options = { connection: connection.patient, prefix: key }
    this.#queue = new BullmqQueue(queueName, { ...options, streams: { events: { maxLen: bullmqEvents } } })
    // Without a processor it fetches nothing by itself.
    this.#worker = new Worker(queueName, null, {
      ...options,
      autorun: false,
      lockDuration: lockMs,
      stalledInterval: stalledCheckMs,
      // How often a task may be lost is for its own record to say.
      maxStalledCount: Number.MAX_SAFE_INTEGER
    })
    const quiet = (err: Error) => log.debug({ err }, 'BullMQ reports an error')
    this.#queue.on('error', quiet)
    this.#worker.on('error', quiet)
  }

  /** Resolves when there may be work, or when the time is over. Who gets `true` and takes none has to `pass` it on. */
  async waitForWork(ms: number): Promise<boolean> {
    return (await this.#worker.getBackend().waitForJob(ms / 1000)) !== null
  }

  /** Wakes another process in place of this one. */
  async pass(): Promise<void> {
    await this.#connection.use((client) => client.zadd(this.#marker, 0, '0'))
  }

  /** Renews the locks of this process's tasks; what it no longer holds, `confirm` of records.ts finds out. */
  async renew(taskIds: string[]): Promise<void> {
    await this.#worker.extendJobLocks(
      taskIds,
      taskIds.map(() => this.#owner),
      lockMs
    )
  }

  /** Puts back jobs whose owner has not renewed their locks; the ids of their tasks. */
  async recoverStalled(): Promise<string[]> {
    return this.#worker.getBackend().moveStalledJobsToWait()
  }

  /** Lets go at once: what it waits for is nothing that must be kept. */
  async close(): Promise<void> {
    const closing = Promise.all([this.#worker.close(true), this.#queue.close()])
    // Without a Redis it may never settle.
    await within(
      stopWithinMs,
      closing.catch(() => {})
    )
  }
}
