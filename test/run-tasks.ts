/** What tests of the runner need: task types as modules, and the ends of their tasks. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import pino from 'pino'
import type { Test } from 'tap'
import { buildApp } from '../src/app.ts'
import { readSettings } from '../src/config.ts'
import type { Isolation, TaskRecord } from '../src/task.ts'
import { startApp } from './helper.ts'

type App = Awaited<ReturnType<typeof startApp>>
type Texts = Record<string, string>

interface Event {
  id: number
  event: string
  at: number
  data: unknown
}

/** Task types of an isolation, one module each: what stands in their run function, and more of their properties. */
export const modules = (isolation: Isolation, bodies: Texts, policies: Texts = {}) =>
  Object.fromEntries(
    Object.entries(bodies).map(([type, body]) => [
      `${type}.mjs`,
      `export default {
        type: '${type}', description: 'For a test.', input: {}, isolation: '${isolation}', ${policies[type] ?? ''}
        async run (input, ctx) { ${body} }
      }`
    ])
  )

export const appOf =
  (isolation: Isolation) =>
  (t: Test, bodies: Texts, env: Texts = {}, policies: Texts = {}) =>
    startApp(t, { env: { TASKS_DIR: t.testdir(modules(isolation, bodies, policies)), ...env } })

export async function start(app: App, type: string, input: unknown = {}): Promise<string> {
  const response = await app.inject({ method: 'POST', url: '/api/tasks', payload: { type, input } })
  if (response.statusCode !== 202) throw new Error(`not accepted: ${response.body}`)
  return response.json().taskId
}

export const record = async (app: App, taskId: string): Promise<TaskRecord> =>
  (await app.inject(`/api/tasks/${taskId}`)).json()

/** A task's events as they come, to its end. */
export async function* follow(app: App, taskId: string): AsyncGenerator<Event, void> {
  const events = await app.tasks.events(taskId, undefined, new AbortController().signal)
  if (events === 'ended') return
  for await (const batch of events) {
    for (const { id, json } of batch) {
      const { type, timestamp, data } = JSON.parse(json)
      yield { id: Number(id), event: type, at: Date.parse(timestamp), data }
    }
  }
}

/** All events of a task, once it has ended, and its record. */
export async function ended(app: App, taskId: string) {
  const events: Event[] = []
  for await (const event of follow(app, taskId)) events.push(event)
  return { events, names: events.map(({ event }) => event), task: await record(app, taskId) }
}

/** Waits for the task's n-th progress, which is how a worker says how far it is. */
export async function progressed(app: App, taskId: string, n = 1): Promise<void> {
  for await (const { event } of follow(app, taskId)) {
    if (event === 'progress_update' && --n === 0) return
    if (/completed|failed|cancelled/.test(event)) throw new Error(`ended with ${event}`)
  }
}

export const cancel = (app: App, taskId: string) =>
  app.inject({ method: 'POST', url: `/api/tasks/${taskId}/cancel` })

export async function metric(app: App, name: string): Promise<number | undefined> {
  const line = (await app.inject('/metrics')).body.split('\n').find((text) => text.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length))
}

/** Code of a task that waits until `release` is called with the same folder. */
export const waitsFor = (folder: string) =>
  `await new Promise(async (resolve) => {
    const { watch } = await import('node:fs')
    const watcher = watch(${JSON.stringify(folder)}, () => { watcher.close(); resolve() })
    ctx.progress(0.1, 'waits')
  });`

export const release = (folder: string) => writeFile(join(folder, 'released'), '')

/** An app that logs into an array; `logged` resolves with the first line that passes. */
export async function loggedApp(t: Test, env: Record<string, string>) {
  const lines: Record<string, unknown>[] = []
  const watchers = new Set<() => void>()
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)))
      for (const watch of watchers) watch()
      done()
    }
  })
  const settings = readSettings({
    TASK_STORE_URL: 'sqlite::memory:',
    GRACEFUL_SHUTDOWN_TIMEOUT: '0',
    CANCEL_GRACE: '0.1',
    ...env
  })
  const app = await buildApp({ settings, logger: pino({ level: 'debug', base: null }, sink) })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const logged = async (passes: (line: Record<string, unknown>) => boolean) => {
    for (;;) {
      const line = lines.find(passes)
      if (line) return line
      await new Promise<void>((resolve) => {
        const watch = () => {
          watchers.delete(watch)
          resolve()
        }
        watchers.add(watch)
      })
    }
  }
  return { app, lines, logged }
}
