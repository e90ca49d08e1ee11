import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { startServer } from '../helper.ts'
import { emptyFolder, installPacked, run, tsc } from '../pack.ts'
import { freePort } from '../redis.ts'

t.setTimeout(120_000)

const examples = new URL('../../examples/', import.meta.url)
const compilerOptions = ['--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom']

const dir = await emptyFolder(t)
await installPacked(dir, 'client')

t.test(
  'from an empty folder to a program that starts, waits, follows through a restart and retries',
  async (t) => {
    const env = { TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db`, PORT: String(await freePort()) }
    const server = await startServer(t, env)
    const source = await readFile(new URL('first-steps.ts', examples), 'utf8')
    t.ok(source.split('\n').length <= 31, '30 lines')
    await writeFile(join(dir, 'first-steps.ts'), source.replace('http://localhost:3000', server.url))
    await run(tsc, [...compilerOptions, '--types', '', 'first-steps.ts'], dir)

    const program = spawn(process.execPath, ['first-steps.js'], {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const exited = once(program, 'exit')
    const lines: string[] = []
    let restarted: Promise<unknown> | undefined
    for await (const line of createInterface(program.stdout)) {
      lines.push(line)
      if (restarted === undefined && line.startsWith('the long one: 3')) {
        server.child.kill('SIGKILL')
        restarted = server.exited.then(() => startServer(t, env))
      }
    }

    t.strictSame(await exited, [0, null])
    await restarted
    t.strictSame(
      lines.filter((line) => !line.endsWith('%')),
      [
        'the short one: completed { steps: 4, attempts: 1 }',
        'the long one: task_started',
        'the long one: task_requeued',
        'the long one: task_started',
        'the long one: task_completed',
        'failed: bom-coverage BOM_UNREADABLE',
        'once more: failed'
      ]
    )
    const percents = lines.flatMap((line) => /(\d+) %$/.exec(line)?.[1] ?? []).map(Number)
    t.strictSame(
      percents,
      [...new Set(percents)].sort((a, b) => a - b),
      'each step once'
    )
  }
)

t.test(
  'the types know the inputs of built-in tasks and the data of events, and take any other type',
  async (t) => {
    await writeFile(
      join(dir, 'types.ts'),
      `import { LastcallClient, LastcallError, type NewTask, type TaskRecord } from 'lastcall-client'
    const client = new LastcallClient({ token: async () => 'token' })
    await client.start({ type: 'price-list', input: { anything: true } })
    await client.startMany([{ type: 'price-list', input: 1 }, { type: 'demo', input: {}, idempotencyKey: 'k' }])
    const task: NewTask = { type: 'link-check', input: { urls: [] }, delaySeconds: 5 }
    await client.start(task)
    const type: string = 'whatever'
    await client.start({ type, input: {} })
    // @ts-expect-error
    await client.start({ type: 'demo', input: { seconds: '1' } })
    // @ts-expect-error
    await client.startMany([{ type: 'price-list', input: 1 }, { type: 'demo', input: { steps: true } }])
    for await (const event of client.follow('id')) {
      if (event.type === 'task_requeued') { const reason: 'retry' | 'shutdown' | 'lost' = event.data.reason }
      // @ts-expect-error
      if (event.type === 'task_failed') event.data.value
    }
    const record: TaskRecord = await client.get('id')
    // @ts-expect-error
    if (record.status === 'done') new LastcallError('X', 'x')
    export {}\n`
    )
    const readme = await readFile(new URL('../README.md', examples), 'utf8')
    const [, block = ''] = /<!-- client -->\n```ts\n(.*?)```/s.exec(readme) ?? []
    t.match(block, 'client.follow')
    await writeFile(join(dir, 'readme.ts'), block)
    const { stdout } = await run(
      tsc,
      [...compilerOptions, '--types', '', '--noEmit', 'types.ts', 'readme.ts'],
      dir
    ).catch((error) => error)
    t.equal(stdout, '')
  }
)
