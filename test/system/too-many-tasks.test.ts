import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { LastcallClient } from '../../client/src/client.ts'
import { startServer } from '../helper.ts'

t.setTimeout(60_000)

const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8')
const command = (name: string) =>
  new RegExp(`<!-- runbook: ${name} -->\\n\`\`\`sh\\n([^]*?)\`\`\``).exec(runbook)?.[1] ?? ''
const sh = async (script: string) =>
  (await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script])).stdout

t.test(
  'a client that went wild is found in the log, and its tasks are cancelled with one call',
  async (t) => {
    const dir = t.testdir({})
    const server = await startServer(t, {
      TASK_STORE_URL: `sqlite:${dir}/tasks.db`,
      API_TOKENS: 'wild:wild-token,calm:calm-token,nameless-token',
      MAX_WORKERS: '2'
    })
    const clientOf = (token: string) => new LastcallClient({ baseUrl: server.url, token })
    const wild = clientOf('wild-token')
    const demo = { type: 'demo', input: { seconds: 60 }, labels: { order: '4711' } } as const
    await wild.startMany(Array.from({ length: 500 }, () => demo))
    const { taskId } = await clientOf('calm-token').start({ ...demo, labels: { order: '1' } })
    await clientOf('nameless-token').start({ ...demo, labels: { order: '2' } })
    const accepted = () => server.lines.filter(({ msg }) => msg === 'task accepted')
    await server.logged(() => accepted().length === 502)

    const log = join(dir, 'log')
    await writeFile(log, server.lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    const found = await sh(command('find').replace(/kubectl logs [^|]*/, `cat ${log} `))

    t.match(found, /^ *500 wild 127\.0\.0\.1 demo\n/)
    t.match(found, /^ *1 calm 127\.0\.0\.1 demo$/m)

    const cancel = command('cancel').replace('localhost:3000', new URL(server.url).host)
    t.same(JSON.parse(await sh(`API_TOKEN=calm-token; ${cancel}`)), { done: 500, more: false })
    for await (const task of wild.list({ label: ['order:4711'], status: 'pending' }))
      t.fail(`${task.taskId} waits`)
    t.match(await wild.get(taskId), { cancelReason: undefined }, "another client's task is not touched")
  }
)
