import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { Queue, Worker } from 'bullmq'
import { type Command, Redis } from 'ioredis'
import t from 'tap'
import { type BullmqScript, bullmqText, embedded } from '../../../../src/distributed/scripts/bullmq.ts'
import { needsRedis, startRedis } from '../../../redis.ts'

// If one of these fails after an upgrade of BullMQ: docs/upgrading-bullmq.md.

const names = Object.keys(embedded) as BullmqScript[]
const highest = (text: string, pattern: RegExp) =>
  Math.max(...[...text.matchAll(pattern)].map(([, number]) => Number(number)))

t.test(
  'each script of BullMQ that we call declares and uses as many keys and arguments as we pass',
  async (t) => {
    for (const name of names) {
      const { keys, args } = embedded[name]
      const text = bullmqText(name)
      const [header = ''] = text.split(']]', 1)
      t.equal(highest(header, /^\s*KEYS\[(\d+)\]/gm), keys.length, `${name}: declared keys`)
      t.equal(highest(header, /^\s*ARGV\[(\d+)\]/gm), args.length, `${name}: declared arguments`)
      t.ok(highest(text, /KEYS\[(\d+)\]/g) <= keys.length, `${name}: used keys`)
      t.ok(highest(text, /ARGV\[(\d+)\]/g) <= args.length, `${name}: used arguments`)
    }
  }
)

/** What BullMQ's own classes pass to the scripts, when they do with a job what we do with it. */
async function watchBullmq(t: Parameters<typeof startRedis>[0]) {
  const { port } = await startRedis(t)
  const connection = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: null })
  const shas = new Map(names.map((name) => [createHash('sha1').update(bullmqText(name)).digest('hex'), name]))
  const calls = new Map<BullmqScript, { keys: string[]; args: (string | Buffer)[] }>()
  const send = connection.sendCommand.bind(connection)
  connection.sendCommand = (command: Command, ...rest) => {
    const [sha, count, ...more] = command.args as (string | Buffer)[]
    const name = /^eval/.test(command.name) ? (shas.get(String(sha)) ?? named(String(sha))) : undefined
    if (name)
      calls.set(name, { keys: more.slice(0, Number(count)).map(String), args: more.slice(Number(count)) })
    return send(command, ...rest)
  }
  // Before the server knows it, a script is sent whole.
  const named = (text: string) => names.find((name) => text === bullmqText(name))

  const queue = new Queue('guard', { connection })
  const worker = new Worker('guard', null, { connection, autorun: false })
  await queue.add('type', { a: 1 }, { jobId: 'the-job', priority: 5 })
  const next = async () => {
    const job = await worker.getNextJob('the-token', { block: false })
    if (!job) throw new Error('BullMQ has no next job')
    return job
  }
  await (await next()).moveToWait('the-token')
  await (await next()).moveToDelayed(Date.now() + 1, 'the-token')
  await new Promise((resolve) => setTimeout(resolve, 5))
  await (await next()).moveToCompleted('null', 'the-token', false)
  await worker.getBackend().moveStalledJobsToWait()
  await worker.close(true)
  await queue.close()
  connection.disconnect()
  return calls
}

/** What the arguments of these names are in those calls. */
const values: Record<string, RegExp> = {
  prefix: /^bull:guard:$/,
  id: /^the-job$/,
  jobKey: /^bull:guard:the-job$/,
  token: /^the-token$/,
  timestamp: /^\d{13}$/,
  property: /^returnvalue$/,
  target: /^completed$/,
  fetchNext: /^(|0|false)$/,
  data: /^{"a":1}$/,
  checkEveryMs: /^30000$/,
  maxStalledCount: /^1$/
}
/** What we pack into these. */
const packed: Record<string, string[]> = {
  'addPrioritizedJob options': ['priority'],
  'moveToActive options': ['token', 'lockDuration'],
  'moveToFinished options': ['token', 'keepJobs', 'attempts', 'maxMetricsSize']
}

t.test(
  'BullMQ calls its scripts with the keys and arguments that we pass',
  { skip: needsRedis() },
  async (t) => {
    const calls = await watchBullmq(t)
    const bullmq = createRequire(createRequire(import.meta.url).resolve('bullmq'))
    const { unpack } = bullmq('msgpackr')

    for (const name of names) {
      const call = calls.get(name)
      if (!call) throw new Error(`BullMQ did not call ${name}`)
      const keys = call.keys.map((key) => key.replace(/^bull:guard:/, '').replace(/^the-job$/, '<job>'))
      t.strictSame(keys, embedded[name].keys, `${name}: keys`)
      t.equal(call.args.length, embedded[name].args.length, `${name}: arguments`)
      for (const [index, arg] of embedded[name].args.entries()) {
        const value = call.args[index] ?? ''
        if (values[arg]) t.match(String(value), values[arg], `${name}: ${arg}`)
        const fields = packed[`${name} ${arg}`]
        if (!fields) continue
        const passed = Object.keys(unpack(value))
        for (const field of fields)
          t.ok(passed.includes(field), `${name}: ${field} of ${arg}, among ${passed}`)
      }
    }
  }
)
