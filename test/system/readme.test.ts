import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { startServer } from '../helper.ts'

const root = new URL('../../', import.meta.url)

/** The code block after a marker, its port replaced by the server's own. */
function codeAfter(file: string, marker: string): string {
  const text = readFileSync(new URL(file, root), 'utf8')
  const code = new RegExp(`<!-- ${marker} -->\\n\`\`\`\\w+\\n([^]*?)\`\`\``).exec(text)?.[1]
  if (code === undefined) throw new Error(`${file} has no block ${marker}`)
  return code
}

t.test("the README's session works when it is pasted", async (t) => {
  const server = await startServer(t, { TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db` })
  const session = codeAfter('README.md', 'session').replaceAll('localhost:3000', new URL(server.url).host)

  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', session], {
    cwd: fileURLToPath(root)
  })

  t.match(stdout, /event: task_started.*event: task_completed/s)
  t.match(stdout, /manufacturerCode/)
  t.match(stdout, /needed: \d+/)
})

t.test("the README's demo goes on where a killed service was", async (t) => {
  const env = { TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db` }
  const server = await startServer(t, env)
  const session = codeAfter('README.md', 'session: demo')
    .replaceAll('localhost:3000', new URL(server.url).host)
    .replace('"seconds":30', '"seconds":5')
  // Its last command is ended by its time limit, as it says.
  const { stdout } = await promisify(execFile)('bash', ['-c', `${session}\necho "task $DEMO"`], {
    cwd: fileURLToPath(root)
  })
  const counted = stdout.match(/event: progress_update/g)?.length ?? 0
  t.ok(counted > 0, 'it counted')
  server.child.kill('SIGKILL')
  await server.exited

  const next = await startServer(t, env)
  const taskId = /^task (.*)$/m.exec(stdout)?.[1]
  const story = await (await fetch(`${next.url}/api/tasks/${taskId}/stream`)).text()
  t.match(story, /event: task_requeued.*event: task_started.*event: task_completed/s)
  const values = [...story.matchAll(/"value":([\d.]+)/g)].map(([, value]) => Number(value))
  t.strictSame(
    values,
    values.toSorted((a, b) => a - b),
    'no step was counted twice from the start'
  )
})

t.test('the commands in docs/graceful-shutdown.md drain a process by hand', async (t) => {
  const server = await startServer(t, { TASK_STORE_URL: 'sqlite::memory:', ADMIN_TOKEN: 'secret' })
  const session = codeAfter('docs/graceful-shutdown.md', 'session: drain').replaceAll(
    'localhost:3000',
    new URL(server.url).host
  )

  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', session], {
    env: { ...process.env, ADMIN_TOKEN: 'secret' }
  })

  const [started, status, stopped] = stdout.split(/(?<=\})(?=\{)/).map((answer) => JSON.parse(answer))
  t.match(started, { draining: true, phase: 'draining', reason: 'admin' })
  t.match(status, { draining: true, activeTasks: 0 })
  t.match(stopped, { draining: false, phase: 'serving', reason: null })
})

t.test('the example in docs/writing-a-task.md does what it says', async (t) => {
  const dir = t.testdir({ 'price-list.mjs': codeAfter('docs/writing-a-task.md', 'example: price-list.mjs') })
  const server = await startServer(t, { TASK_STORE_URL: `sqlite:${dir}/tasks.db`, TASKS_DIR: dir })
  const run = async (input: unknown) => {
    const started = await fetch(`${server.url}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'price-list', input })
    })
    const { taskId, message } = (await started.json()) as { taskId?: string; message?: string }
    if (taskId === undefined) return { status: started.status, message }
    await (await fetch(`${server.url}/api/tasks/${taskId}/stream`)).text()
    return (await fetch(`${server.url}/api/tasks/${taskId}`)).json()
  }

  t.match(
    await run({
      parts: [
        { code: 'R1', cents: 2, quantity: 100 },
        { code: 'U1', cents: 450 }
      ]
    }),
    {
      status: 'completed',
      result: { total: 650 },
      progress: { value: 1, text: 'U1' }
    }
  )
  t.match(await run({ parts: [{ code: 'U2', cents: 1e9 }] }), {
    status: 'failed',
    attempt: 3,
    error: { code: 'PRICE_ABSURD' }
  })
  t.match(await run({ parts: [{ code: 'R1' }] }), { status: 400, message: /cents/ })
})
