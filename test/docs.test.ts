import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { readSettings } from '../src/config.ts'
import { needsCommand } from './helper.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const deployment = readFileSync(new URL('../docs/deployment.md', import.meta.url), 'utf8')

t.test('whatever docs/deployment.md lets stop the service waits for its drain', async (t) => {
  const { SHUTDOWN_DELAY, GRACEFUL_SHUTDOWN_TIMEOUT, CANCEL_GRACE, SCRAPE_LINGER } = readSettings({})
  const needed = SHUTDOWN_DELAY + GRACEFUL_SHUTDOWN_TIMEOUT + CANCEL_GRACE + SCRAPE_LINGER + 2
  t.match(deployment, `That is ${needed} s with the defaults`)
  for (const setting of [/TimeoutStopSec=(\d+)/, /--stop-timeout (\d+)/, /stop_grace_period: (\d+)s/]) {
    t.ok(Number(setting.exec(deployment)?.[1]) > needed, String(setting))
  }
})

t.test('nginx takes its block of docs/deployment.md', { skip: needsCommand('nginx') }, async (t) => {
  const block = /<!-- nginx -->\n```nginx\n([\s\S]*?)```/.exec(deployment)?.[1]
  const dir = t.testdir({})
  const config = join(dir, 'nginx.conf')
  writeFileSync(config, `pid ${dir}/pid;\nevents {}\nhttp {\n${block}\n}\n`)
  const { status, stderr } = spawnSync('nginx', ['-t', '-p', dir, '-e', `${dir}/error.log`, '-c', config], {
    encoding: 'utf8'
  })
  t.equal(status, 0, stderr)
})

/** The Markdown files below these folders, and those beside package.json. */
const documents = ['docs', 'helm', 'client', 'examples']
  .flatMap((dir) =>
    readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' }).map((name) => `${dir}/${name}`)
  )
  .concat(readdirSync(root))
  .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))

/** The anchors that GitHub makes of a document's headings. */
const anchorsOf = (markdown: string) =>
  [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
  )

t.test('every relative link leads to a file, and to a heading in it', async (t) => {
  for (const name of documents) {
    const text = readFileSync(join(root, name), 'utf8')
    for (const [, target = '', anchor] of text.matchAll(/\]\((?![a-z]+:)([^)#\s]*)(?:#([^)]*))?\)/g)) {
      const path = target === '' ? join(root, name) : join(root, dirname(name), target)
      if (!existsSync(path)) t.fail(`${name} links to ${target}, which does not exist`)
      else if (anchor && !anchorsOf(readFileSync(path, 'utf8')).includes(anchor))
        t.fail(`${name} links to #${anchor} of ${target || 'itself'}, which has no such heading`)
    }
  }
  t.ok(documents.length > 20)
})

t.test('every decision has a number of its own and stands in the index under its title', async (t) => {
  const index = readFileSync(join(root, 'docs/adr/README.md'), 'utf8')
  const names = readdirSync(join(root, 'docs/adr')).filter((name) => name !== 'README.md')
  for (const name of names) {
    const [, number, title] = /^# (\d+)\. (.*)/.exec(readFileSync(join(root, 'docs/adr', name), 'utf8')) ?? []
    t.equal(name.slice(0, 4), number?.padStart(4, '0'), name)
    t.match(index, `| ${number} | [${title}](${name}) |`)
  }
  t.equal(new Set(names.map((name) => name.slice(0, 4))).size, names.length)
})
