import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { LastcallClient } from '../../client/src/client.ts'
import { startServer } from '../helper.ts'
import { emptyFolder, run, tsc } from '../pack.ts'

t.setTimeout(120_000)

const root = fileURLToPath(new URL('../..', import.meta.url))

t.test(
  'a task type in TypeScript outside of this repository is compiled with the packed types and runs',
  async (t) => {
    const dir = await emptyFolder(t)
    // What prepack does; other scripts would build what is running in other tests.
    await run(tsc, ['-p', 'tsconfig.types.json'], root)
    const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', dir]
    const { stdout } = await run('npm', pack, root)
    const [{ filename }]: [{ filename: string }] = JSON.parse(stdout)
    // Where npm would put them; the packages that both depend on are those of this repository.
    const modules = join(dir, 'node_modules')
    await mkdir(join(modules, 'lastcall'), { recursive: true })
    await run(
      'tar',
      ['xf', join(dir, filename), '--strip-components=1', '-C', join(modules, 'lastcall')],
      dir
    )
    for (const name of ['@types', '@sinclair', 'undici-types'])
      await symlink(join(root, 'node_modules', name), join(modules, name))
    const guide = await readFile(join(root, 'docs/writing-a-task.md'), 'utf8')
    const [, source = ''] = /<!-- example: mirror.ts -->\n```ts\n(.*?)```/s.exec(guide) ?? []
    await writeFile(join(dir, 'package.json'), '{ "type": "module" }')
    await writeFile(join(dir, 'mirror.ts'), source)
    const compile = (...files: string[]) => {
      const options = '--strict --target es2023 --module nodenext --types node --outDir tasks'
      return run(tsc, [...options.split(' '), ...files], dir)
    }
    await compile('mirror.ts')

    const server = await startServer(t, {
      TASK_STORE_URL: `sqlite:${t.testdir()}/tasks.db`,
      TASKS_DIR: join(dir, 'tasks')
    })
    const client = new LastcallClient({ baseUrl: server.url })
    const { taskId } = await client.start({ type: 'mirror', input: { words: ['last', 'call'] } })
    t.match(await client.wait(taskId), { status: 'completed', result: ['tsal', 'llac'] })

    await writeFile(join(dir, 'wrong.ts'), source.replace("onLost: 'requeue'", "onLost: 'repeat'"))
    const refused = await compile('wrong.ts').catch((error) => error)
    t.match(refused.stdout, /'"repeat"' is not assignable/)
  }
)
