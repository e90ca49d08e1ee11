import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { needsCommand, startServer } from '../helper.ts'
import { Client } from './retrying-client.ts'

t.setTimeout(180_000)

const hosts = 4
const linksPerHost = 5

/** Sites on several addresses that count what they are asked for; each path in `held` waits to be let go. */
async function startSites(t: Test) {
  const asked = new Map<string, number>()
  const held = new Map<string, ServerResponse>()
  let holding = true
  let wake = () => {}
  const urls: string[] = []
  for (let host = 1; host <= hosts; host++) {
    const server = createServer((request, response) => {
      const path = request.url ?? ''
      asked.set(path, (asked.get(path) ?? 0) + 1)
      response.writeHead(200, { 'content-type': 'application/pdf', 'content-length': 1000 + host })
      // The first links of a host are answered at once, so that there is something to hand over.
      if (holding && path.endsWith('-2')) {
        held.set(path, response)
        wake()
      } else response.end()
    })
    server.listen(0, `127.0.0.${host}`)
    await once(server, 'listening')
    t.teardown(() => {
      server.close()
      server.closeAllConnections()
    })
    const { port } = server.address() as AddressInfo
    for (let n = 0; n < linksPerHost; n++) urls.push(`http://127.0.0.${host}:${port}/${host}-${n}`)
  }
  return {
    urls,
    asked,
    /** Resolves with the paths when one request of each host is held. */
    async held() {
      while (held.size < hosts) await new Promise<void>((resolve) => (wake = resolve))
      return [...held.keys()].sort()
    },
    release() {
      holding = false
      for (const response of held.values()) response.end()
    }
  }
}

/** A server that may be replaced by another one on the same store. */
function setUp(t: Test, settings: Record<string, string> = {}, dir = t.testdir({})) {
  const env = {
    TASK_STORE_URL: `sqlite:${join(dir, 'tasks.db')}`,
    GRACEFUL_SHUTDOWN_TIMEOUT: '0',
    CANCEL_GRACE: '60',
    LINK_CHECK_ALLOW_PRIVATE: 'true',
    ...settings
  }
  let url = ''
  const client = new Client(() => url)
  t.teardown(() => client.close())
  const start = async () => {
    const server = await startServer(t, env)
    url = server.url
    return server
  }
  const check = async (input: object) => {
    const { status, body } = await client.start({ type: 'link-check', input }, 'key')
    t.equal(status, 202)
    return body.taskId as string
  }
  const ended = async (taskId: string) => {
    const stream = client.follow(taskId)
    t.teardown(() => stream.stop())
    await stream.done
    return (await client.get(taskId)).body
  }
  return { start, check, ended }
}

const all = (count: number) => ({ urls: count, ok: count, failed: 0, redirected: 0, failures: {} })

t.test('SIGTERM in the middle hands the task over, and no link is asked twice', async (t) => {
  const sites = await startSites(t)
  const { start, check, ended } = setUp(t)
  const server = await start()
  const taskId = await check({ urls: sites.urls })
  await sites.held()

  server.child.kill('SIGTERM')
  await server.logged(({ msg }) => msg === 'the grace period is over, aborting the task')
  const askedBefore = sites.asked.size
  sites.release()
  t.strictSame(await server.exited, [0, null])
  t.equal(sites.asked.size, askedBefore, 'no link was begun after that')
  t.ok(askedBefore < sites.urls.length, 'it was in the middle')

  await start()
  t.match(await ended(taskId), {
    status: 'completed',
    attempt: 2,
    result: { totals: all(sites.urls.length) }
  })
  t.equal(sites.asked.size, sites.urls.length)
  t.strictSame([...new Set(sites.asked.values())], [1], 'each was asked once')
})

t.test('a kill in the middle repeats no more than the links under way', async (t) => {
  const sites = await startSites(t)
  const { start, check, ended } = setUp(t)
  const server = await start()
  const taskId = await check({ urls: sites.urls })
  const underWay = await sites.held()

  server.child.kill('SIGKILL')
  await server.exited
  sites.release()

  await start()
  t.match(await ended(taskId), {
    status: 'completed',
    attempt: 2,
    result: { totals: all(sites.urls.length) }
  })
  const repeated = [...sites.asked].filter(([, count]) => count > 1).map(([path]) => path)
  t.strictSame(repeated.sort(), underWay)
  t.strictSame(underWay.length, hosts)
})

t.test('the service refuses private addresses unless it is told otherwise', async (t) => {
  const sites = await startSites(t)
  const { start, check, ended } = setUp(t, { LINK_CHECK_ALLOW_PRIVATE: 'false' })
  await start()
  const urls = [
    ...sites.urls,
    'http://169.254.169.254/latest/meta-data/',
    'http://localhost:1/',
    'http://0x7f000001/'
  ]
  const { result } = await ended(await check({ urls }))
  t.match(result.totals, { ok: 0, failed: urls.length, failures: { ADDRESS_REFUSED: urls.length } })
  t.equal(sites.asked.size, 0)
})

/** An authority, and TLS servers with certificates of its making. */
async function startTlsSites(t: Test, dir: string) {
  const file = (name: string) => join(dir, name)
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: dir, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }
  const newKey = ['-newkey', 'rsa:2048', '-nodes']
  openssl('req', '-x509', ...newKey, '-subj', '/CN=Test CA', '-keyout', 'ca.key', '-out', 'ca.pem')
  const startSite = async (name: string, subjectAltName: string, version: 'TLSv1.2' | 'TLSv1.3') => {
    const files = ['-keyout', `${name}.key`, '-out', `${name}.csr`]
    openssl('req', ...newKey, '-subj', `/CN=${name}`, '-addext', `subjectAltName=${subjectAltName}`, ...files)
    const authority = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-copy_extensions', 'copy']
    openssl('x509', '-req', '-in', `${name}.csr`, ...authority, '-out', `${name}.pem`)
    const options = {
      key: readFileSync(file(`${name}.key`)),
      cert: readFileSync(file(`${name}.pem`)),
      maxVersion: version
    }
    let requests = 0
    const server = createTlsServer(options, (_request, response) => {
      requests++
      response.writeHead(200, { 'content-length': 3 }).end()
    }).on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      server.close()
      server.closeAllConnections()
    })
    const { port } = server.address() as AddressInfo
    return { url: `https://127.0.0.1:${port}`, requests: () => requests }
  }
  return { startSite, authority: file('ca.pem') }
}

t.test('certificates are checked, every time', { skip: needsCommand('openssl') }, async (t) => {
  const dir = t.testdir({})
  const { startSite, authority } = await startTlsSites(t, dir)
  const good = await startSite('good', 'IP:127.0.0.1', 'TLSv1.3')
  const other = await startSite('other', 'DNS:other.test', 'TLSv1.2')
  const { start, check, ended } = setUp(t, { NODE_EXTRA_CA_CERTS: authority }, dir)
  await start()
  const urls = [`${good.url}/1`, `${good.url}/2`, `${other.url}/1`, `${other.url}/2`]
  const { result } = await ended(await check({ urls }))
  const wrongName = { ok: false, status: null, error: { code: 'TLS_INVALID', message: /does not match/ } }
  t.match(result.links, [{ ok: true, bytes: 3 }, { ok: true, bytes: 3 }, wrongName, wrongName])
  t.equal(good.requests(), 2)
  t.equal(other.requests(), 0, 'a session that was refused is not resumed')
})
