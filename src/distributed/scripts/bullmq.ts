import { createRequire } from 'node:module'

const requirePackage = createRequire(import.meta.url)

/**
 * BullMQ's own Lua, as it is published in the package: it decides who runs what. Our scripts call it as functions, so that
 * its queue and our records change together (docs/adr/0005). `keys` are the keys of each in its order, without the prefix of
 * the queue, and `<job>` is the job's own; `args` are its arguments. Before BullMQ is upgraded: docs/upgrading-bullmq.md.
 */
export const embedded = {
  addPrioritizedJob: {
    file: 'addPrioritizedJob-9',
    keys: ['marker', 'meta', 'id', 'prioritized', 'delayed', 'completed', 'active', 'events', 'pc'],
    args: ['packed', 'data', 'options']
  },
  moveToActive: {
    file: 'moveToActive-11',
    keys: [
      'wait',
      'active',
      'prioritized',
      'events',
      'stalled',
      'limiter',
      'delayed',
      'paused',
      'meta',
      'pc',
      'marker'
    ],
    args: ['prefix', 'timestamp', 'options']
  },
  moveToFinished: {
    file: 'moveToFinished-14',
    keys: [
      'wait',
      'active',
      'prioritized',
      'events',
      'stalled',
      'limiter',
      'delayed',
      'paused',
      'meta',
      'pc',
      'completed',
      '<job>',
      'metrics:completed',
      'marker'
    ],
    args: ['id', 'timestamp', 'property', 'value', 'target', 'fetchNext', 'prefix', 'options', 'fields']
  },
  moveToDelayed: {
    file: 'moveToDelayed-11',
    keys: [
      'marker',
      'active',
      'prioritized',
      'delayed',
      '<job>',
      'events',
      'meta',
      'stalled',
      'wait',
      'limiter',
      'pc'
    ],
    args: ['prefix', 'timestamp', 'id', 'token', 'delay', 'skipAttempt', 'fields', 'fetchNext', 'options']
  },
  moveJobFromActiveToWait: {
    file: 'moveJobFromActiveToWait-9',
    keys: ['active', 'wait', 'stalled', 'paused', 'meta', 'limiter', 'prioritized', 'marker', 'events'],
    args: ['id', 'token', 'jobKey']
  },
  moveStalledJobsToWait: {
    file: 'moveStalledJobsToWait-9',
    keys: ['stalled', 'wait', 'active', 'stalled-check', 'meta', 'paused', 'marker', 'events', 'repeat'],
    args: ['maxStalledCount', 'prefix', 'timestamp', 'checkEveryMs']
  }
} as const

export type BullmqScript = keyof typeof embedded

/** The script as BullMQ publishes it. */
export function bullmqText(name: BullmqScript): string {
  return requirePackage(`bullmq/dist/cjs/scripts/${embedded[name].file}.js`)[name].content
}

/** Arguments that need not be passed. */
const known: Record<string, string> = { prefix: 'q', id: 'id', jobKey: 'q .. id' }

/** A Lua function `name(id, args)` that runs it for the job with that id. */
export function bullmqFunction(name: BullmqScript): string {
  const keys = embedded[name].keys.map((key) => (key === '<job>' ? 'q .. id' : `q .. '${key}'`))
  const args = embedded[name].args.map((arg) => known[arg] ?? `args.${arg}`)
  return `
local function ${name}Body(KEYS, ARGV)
${bullmqText(name)}
end

local function ${name}(id, args)
  return ${name}Body({ ${keys.join(', ')} }, { ${args.join(', ')} })
end`
}
