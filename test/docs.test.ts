import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readSettings } from '../src/config.ts'
import { needsCommand } from './helper.ts'

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
