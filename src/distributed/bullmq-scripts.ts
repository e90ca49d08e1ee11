import { createRequire } from 'node:module'

const load = createRequire(import.meta.url)

/**
 * BullMQ's own Lua, as it is published in the package: it decides who runs what. Our scripts call it as functions, so that
 * its queue and our records change together (docs/adr/0005). The suite runs it whole; its version is pinned.
 */
const files = {
  addPrioritizedJob: 'addPrioritizedJob-9',
  moveToActive: 'moveToActive-11',
  moveToFinished: 'moveToFinished-14',
  moveToDelayed: 'moveToDelayed-11',
  moveJobFromActiveToWait: 'moveJobFromActiveToWait-9'
} as const

export type BullmqScript = keyof typeof files

/** A Lua function `name(KEYS, ARGV)` whose body is that script. */
export function bullmqFunction(name: BullmqScript): string {
  const { content } = load(`bullmq/dist/cjs/scripts/${files[name]}.js`)[name]
  return `local function ${name}(KEYS, ARGV)\n${content}\nend`
}
