import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startServer } from '../helper.ts'
import { needsRedis, startRedis } from '../redis.ts'

t.setTimeout(120_000)

const failing = (isolation: string) => `
  function misspelt (state) {
    return state.nothing.here
  }
  export default {
    type: 'failing-${isolation}', description: 'Never succeeds.', input: {}, isolation: '${isolation}', attempts: 3,
    run: async (_, { attempt }) => {
      if (attempt === 2) throw new Error('outer', { cause: Object.assign(new Error('inner'), { code: 'E_INNER' }) })
      return misspelt({})
    }
  }`
const types = t.testdir({
  'thread.mjs': failing('thread'),
  'inline.mjs': failing('inline')
})

const skip = needsRedis()
const stores: [string, (t: Test) => string | Promise<string>][] = [
  ['SQLite', () => `sqlite:${join(t.testdirName, 'store', 'tasks.db')}`],
  ['Redis', async (t) => (await startRedis(t)).url]
]
for (const [name, makeStore] of stores) {
  t.test(`on ${name}`, { skip: name === 'Redis' && skip }, async (t) => {
    const server = await startServer(t, { TASK_STORE_URL: await makeStore(t), TASKS_DIR: types })

    for (const isolation of ['thread', 'inline']) {
      t.test(
        `the error of each ${isolation} attempt is in the log with its stack, in the record and on the stream`,
        async (t) => {
          const type = `failing-${isolation}`
          const body = JSON.stringify({ type, input: {} })
          const headers = { 'content-type': 'application/json' }
          const started = await fetch(`${server.url}/api/tasks`, { method: 'POST', headers, body })
          const { taskId, statusUrl, streamUrl } = (await started.json()) as Record<string, string>
          const stream = await (await fetch(`${server.url}${streamUrl}`)).text()
          const record = await (await fetch(`${server.url}${statusUrl}`)).json()
          await server.logged((line) => line.msg === 'task ended' && line.taskId === taskId)

          const lines = server.lines.filter((line) => line.taskId === taskId && line.level >= 40)
          t.match(
            lines,
            [1, 2, 3].map((attempt) => ({ level: 40, msg: 'attempt failed', type, attempt }))
          )
          t.equal(lines.length, 3)
          const [first, second] = lines.map(
            ({ err }) => err as { message: string; stack: string } | undefined
          )
          t.match(first?.stack, new RegExp(`TypeError: .*\n.*at misspelt .*${isolation}\\.mjs:3`))
          t.match(second, {
            message: 'outer',
            stack: new RegExp(`Error: outer[^]*${isolation}\\.mjs:8[^]*caused by: Error: inner`)
          })

          const message = "Cannot read properties of undefined (reading 'here')"
          const errors = [message, 'outer', message].map((message) => ({ code: 'TASK_FAILED', message }))
          const requeued = stream
            .match(/(?<=event: task_requeued\ndata: ).*/g)
            ?.map((data) => JSON.parse(data).data)
          t.strictSame(
            requeued,
            errors.slice(0, 2).map((error) => ({ reason: 'retry', error }))
          )
          t.match(record, {
            status: 'failed',
            error: errors[2],
            attempts: errors.map((error, n) => ({
              attempt: n + 1,
              outcome: n < 2 ? 'retry' : 'failed',
              error
            }))
          })
          t.notMatch(stream, /misspelt|\.mjs/, 'a stack is for operators')
          t.notMatch(JSON.stringify(record), /misspelt|\.mjs/)
          const metrics = await (await fetch(`${server.url}/metrics`)).text()
          t.match(metrics, `task_attempts_failed_total{type="${type}"} 3`)
        }
      )
    }
  })
}
