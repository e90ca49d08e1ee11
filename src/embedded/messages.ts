/** What the event loop and the thread of the store send each other. */
import type { Claim, EndedAttempt, Outcome, TaskChange } from '../engine.ts'
import type { ErrorCode } from '../errors.ts'
import type { LogLevel } from '../log.ts'
import type { TaskEvent } from '../task.ts'
import type { StoreOptions, StoreService } from './store-service.ts'

/** A claim without its functions and promises, which cannot be sent; notices refer to its attempt by a number. */
export type ClaimData = Omit<Claim, 'durable' | 'stop' | 'progress' | 'checkpoint'>

/** The methods that the event loop calls in the thread, with or without an answer. */
export type Method = {
  // biome-ignore lint/suspicious/noExplicitAny: any method will do
  [M in keyof StoreService]: StoreService[M] extends (...args: any[]) => unknown ? M : never
}[keyof StoreService]
export type Arguments<M extends Method> = Parameters<StoreService[M]>
export type Answer<M extends Method> = Awaited<ReturnType<StoreService[M]>>

/** Without an id there is no answer. */
export type Request = [id: number | undefined, method: Method, args: unknown[]]

/** All requests of one turn of the event loop, numbered. */
export type ToThread = [batch: number, requests: Request[]]

export type Notice =
  | ['claim', attempt: number, claim: ClaimData]
  | ['durable', attempt: number]
  | ['stop', attempt: number]
  | ['released', taskId: string]
  /** Without an outcome it is the one that the attempt itself ended with. */
  | ['ended', attempt: number | undefined, ended: EndedAttempt, outcome: Outcome | undefined]
  | ['committed', seconds: number]
  | ['changed', change: TaskChange]
  | ['event', taskId: string, feed: number, event: TaskEvent]
  | ['removed', taskId: string]
  | ['log', level: LogLevel, fields: object | string, message: string | undefined]
  | ['answer', id: number, value: unknown]
  | ['refused', id: number, code: ErrorCode, message: string]
  | ['failed', id: number, error: Error, isStartError: boolean]

/** `batch` is the latest that has arrived. */
export type FromThread = [batch: number, notices: Notice[]]

export interface ThreadData {
  options: StoreOptions
}
