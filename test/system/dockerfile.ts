/** Does in folders what an engine would do in layers: enough of a Dockerfile's language for ours. */
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Image {
  /** What `/` would be. */
  root: string
  workdir: string
  env: Record<string, string>
  user: string
  cmd: string[]
}

/** The instructions of a Dockerfile, continued lines joined. */
export const instructionsOf = (dockerfile: string): [name: string, rest: string][] =>
  dockerfile
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? []
      return [name, rest]
    })

/** Builds each stage of a Dockerfile below `dir`, with `path` as PATH, and returns the last one. */
export async function build(context: string, dir: string, path: string): Promise<Image> {
  const sent = (await readFile(join(context, '.dockerignore'), 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  const stages = new Map<string, Image>()
  let image: Image | undefined

  for (const [name, rest] of instructionsOf(await readFile(join(context, 'Dockerfile'), 'utf8'))) {
    if (name === 'FROM') {
      const [from = '', , stage = 'final'] = rest.split(' ')
      const base = stages.get(from)
      image = { workdir: '/', env: {}, user: '', cmd: [], ...base, root: join(dir, stage) }
      await mkdir(image.root)
      if (base) await cp(base.root, image.root, { recursive: true, verbatimSymlinks: true })
      stages.set(stage, image)
      continue
    }
    if (!image) throw new Error(`${name} comes before FROM`)
    const { root } = image
    const inside = (file: string) =>
      join(root, file.startsWith('/') ? file : join(image?.workdir ?? '', file))
    if (name === 'WORKDIR') {
      image.workdir = rest
      await mkdir(inside(rest), { recursive: true })
    } else if (name === 'ENV') {
      for (const [, key = '', value = ''] of rest.matchAll(/(\w+)=(\S+)/g)) image.env[key] = value
    } else if (name === 'COPY') {
      const from = /^--from=(\w+) /.exec(rest)?.[1]
      const files = rest.split(' ').filter((word) => !word.startsWith('--'))
      const to = files.pop() ?? ''
      for (const file of files) {
        if (from === undefined && !sent.includes(file)) throw new Error(`.dockerignore keeps ${file} back`)
        const source = from === undefined ? join(context, file) : join(stages.get(from)?.root ?? '', file)
        const target = to.endsWith('/') ? join(inside(to), basename(file)) : inside(to)
        await cp(source, target, { recursive: true, verbatimSymlinks: true })
      }
    } else if (name === 'RUN') {
      const command = rest.replaceAll(/(?<=\s)\/(?=\w)/g, `${root}/`)
      // Through env, for tap sets NODE_OPTIONS for every child process. What npm has in its cache it need not ask for.
      const env = [`PATH=${path}`, `HOME=${process.env.HOME ?? root}`, 'npm_config_prefer_offline=true']
      await run('env', ['-i', ...env, 'sh', '-c', command], { cwd: inside('.') })
    } else if (name === 'USER') image.user = rest
    else if (name === 'CMD') image.cmd = JSON.parse(rest)
    else if (!['LABEL', 'EXPOSE'].includes(name)) throw new Error(`What is ${name}?`)
  }
  if (!image) throw new Error('There is no FROM')
  return image
}
