import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkAddress } from '../../../../src/tasks/link-check/address.ts'
import type { Guard } from '../../../../src/tasks/link-check/connector.ts'
import { fetchLink } from '../../../../src/tasks/link-check/fetch-link.ts'
import { maxBodyBytes } from '../../../../src/tasks/link-check/send-request.ts'
import { HostTurns } from '../../../../src/tasks/link-check/turns.ts'
import { needsCommand } from '../../../helper.ts'
import { allowOnly, startSite, startTcp } from './sites.ts'

interface How {
  guard?: Guard
  timeoutMs?: number
  signal?: AbortSignal
}

const fetchUrl = (url: string, { guard, timeoutMs, signal }: How = {}) =>
  fetchLink(new URL(url), {
    guard: guard ?? allowOnly('127.0.0.1'),
    turns: new HostTurns(),
    timeoutMs: timeoutMs ?? 30_000,
    signal: signal ?? new AbortController().signal
  })

t.test('a link that answers a HEAD is not asked for more', async (t) => {
  const site = await startSite(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/pdf', 'content-length': 5000 }).end()
  })
  const { milliseconds, ...finding } = await fetchUrl(`${site.url}/tl072.pdf?rev=2#page=3`)
  t.strictSame(site.requests, ['HEAD /tl072.pdf?rev=2'])
  t.match(finding, { status: 200, redirects: 0, contentType: 'application/pdf', bytes: 5000 })
  t.ok(milliseconds >= 0 && milliseconds < 30_000)
})

for (const refusal of [403, 404, 405, 501]) {
  t.test(`a HEAD that is answered ${refusal} is asked again as a GET`, async (t) => {
    const site = await startSite(t, (request, response) => {
      if (request.method === 'HEAD') response.writeHead(refusal).end()
      else response.end('four')
    })
    t.match(await fetchUrl(site.url), { status: 200, bytes: 4 })
    t.strictSame(site.requests, ['HEAD /', 'GET /'])
  })
}

t.test('a page that is not there is a finding without an error', async (t) => {
  const site = await startSite(t, (_request, response) => response.writeHead(404).end())
  const finding = await fetchUrl(site.url)
  t.match(finding, { status: 404, redirects: 0 })
  t.notOk(finding.error)
})

t.test('a size that a HEAD does not tell is counted', async (t) => {
  const site = await startSite(t, (_request, response) => {
    response.write('a'.repeat(1000))
    response.end('b'.repeat(500))
  })
  t.match(await fetchUrl(site.url), { status: 200, bytes: 1500 })
})

t.test('redirects are followed to the end', async (t) => {
  const site = await startSite(t, (request, response) => {
    const to = { '/a': 'b?x=1', '/b?x=1': '//127.0.0.1:PORT/c#part', '/c': '/d%20é' }[request.url ?? '']
    if (to) response.writeHead(302, { location: Buffer.from(to).toString('latin1').replace('PORT', port()) })
    else response.writeHead(200, { 'content-length': 1 })
    response.end()
  })
  const port = () => String(site.port)
  const finding = await fetchUrl(`${site.url}/a`)
  t.match(finding, { status: 200, redirects: 3, finalUrl: `${site.url}/d%20%C3%A9` })
  t.equal(site.requests.length, 4)
})

t.test('a redirect loop is reported as one', async (t) => {
  const site = await startSite(t, (request, response) => {
    response.writeHead(301, { location: request.url === '/a' ? '/b' : '/a' }).end()
  })
  const finding = await fetchUrl(`${site.url}/a`)
  t.match(finding, { status: 301, redirects: 1, finalUrl: `${site.url}/b`, error: { code: 'REDIRECT_LOOP' } })
  t.strictSame(site.requests, ['HEAD /a', 'HEAD /b'])
})

t.test('a redirect to itself is a loop', async (t) => {
  const site = await startSite(t, (_request, response) => response.writeHead(302, { location: '#x' }).end())
  t.match(await fetchUrl(site.url), { redirects: 0, error: { code: 'REDIRECT_LOOP' } })
  t.equal(site.requests.length, 1)
})

t.test('redirects that never end are given up after ten', async (t) => {
  const site = await startSite(t, (request, response) => {
    response.writeHead(307, { location: `${request.url}x` }).end()
  })
  t.match(await fetchUrl(site.url), { status: 307, redirects: 10, error: { code: 'TOO_MANY_REDIRECTS' } })
  t.equal(site.requests.length, 11)
})

for (const location of [
  'ftp://127.0.0.1/',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'http://[',
  undefined
]) {
  t.test(`a redirect to ${location ?? 'nowhere'} is not followed`, async (t) => {
    const site = await startSite(t, (_request, response) => {
      response.writeHead(302, location === undefined ? {} : { location }).end()
    })
    t.match(await fetchUrl(site.url), { status: 302, redirects: 0, error: { code: 'REDIRECT_INVALID' } })
  })
}

// Of 127.0.0.2, on which the test listens; only 127.0.0.1 is allowed.
const notations = [
  '127.0.0.2',
  '0x7f000002',
  '2130706434',
  '017700000002',
  '0177.0.0.2',
  '127.2',
  '127.0.0.2.'
]
const refusedHosts = [...notations, '[::ffff:127.0.0.2]', '[::ffff:7f00:2]']

for (const host of refusedHosts) {
  t.test(`an address that is refused is not reached as ${host}, directly or by a redirect`, async (t) => {
    const secret = await startTcp(t, () => {}, '127.0.0.2')
    const target = `http://${host}:${secret.port}/`
    const site = await startSite(t, (_request, response) =>
      response.writeHead(302, { location: target }).end()
    )

    t.match(await fetchUrl(target), { status: null, redirects: 0, error: { code: 'ADDRESS_REFUSED' } })
    const redirected = await fetchUrl(site.url)
    t.match(redirected, { status: null, redirects: 1, error: { code: 'ADDRESS_REFUSED' } })
    t.equal(redirected.finalUrl, new URL(target).href)
    t.equal(secret.seen.connections, 0)
  })
}

for (const host of [
  '127.0.0.1',
  '[::ffff:127.0.0.1]',
  '0x7f000001',
  '[::1]',
  '169.254.169.254',
  '10.0.0.1'
]) {
  t.test(`${host} is refused unless private addresses are allowed`, async (t) => {
    const site = await startTcp(t, () => {})
    const guard = { isAllowed: checkAddress(false) }
    const finding = await fetchUrl(`http://${host}:${site.port}/latest/meta-data/`, { guard })
    t.match(finding, { status: null, error: { code: 'ADDRESS_REFUSED' } })
    t.equal(site.seen.connections, 0)
  })
}

/** A resolver that gives its answers one after the other, each the addresses of a name. */
function resolveInTurn(...answers: string[][]) {
  const asked: string[] = []
  const resolve = async (hostname: string) => {
    asked.push(hostname)
    return (answers.shift() ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  return { asked, resolve }
}

t.test('a name that resolves to a refused address is not reached, and the address is not told', async (t) => {
  const secret = await startTcp(t, () => {}, '127.0.0.2')
  const { resolve } = resolveInTurn(['127.0.0.2'])
  const guard = { ...allowOnly('127.0.0.1'), resolve }
  const finding = await fetchUrl(`http://intranet.test:${secret.port}/`, { guard })
  t.match(finding.error, { code: 'ADDRESS_REFUSED', message: /^intranet\.test/ })
  t.notMatch(finding.error, { message: /127/ })
  t.equal(secret.seen.connections, 0)
})

t.test('a name that resolves to a refused address the second time is not reached then', async (t) => {
  const site = await startSite(t, (_request, response) => response.writeHead(405).end())
  const secret = await startSite(t, (_request, response) => response.end('secret'), '127.0.0.2')
  const { asked, resolve } = resolveInTurn(['127.0.0.1'], ['127.0.0.2'])
  const guard = { ...allowOnly('127.0.0.1'), resolve }
  t.match(await fetchUrl(`http://rebinding.test:${site.port}/`, { guard }), {
    status: null,
    error: { code: 'ADDRESS_REFUSED' }
  })
  t.strictSame(asked, ['rebinding.test', 'rebinding.test'], 'it was resolved once per connection')
  t.strictSame(site.requests, ['HEAD /'])
  t.equal(secret.seen.connections, 0)
})

t.test('of the addresses of a name only the allowed ones are used', async (t) => {
  const site = await startSite(t, (_request, response) => response.writeHead(204).end())
  const { resolve } = resolveInTurn(['127.0.0.2', '::1', '127.0.0.1'])
  const guard = { ...allowOnly('127.0.0.1'), resolve }
  t.match(await fetchUrl(`http://mixed.test:${site.port}/`, { guard }), { status: 204, bytes: 0 })
})

t.test(
  'a connection that turns out to be to a refused address is closed before a byte is sent',
  async (t) => {
    let checks = 0
    // Allowed when it is resolved, refused when it is connected.
    const guard = { isAllowed: () => checks++ === 0 }
    for (const protocol of ['http', 'https']) {
      checks = 0
      const received: Buffer[] = []
      const closed: Promise<unknown>[] = []
      const site = await startTcp(t, (socket) => {
        socket.on('data', (data) => received.push(data))
        closed.push(once(socket, 'close'))
      })
      const finding = await fetchUrl(`${protocol}://127.0.0.1:${site.port}/`, { guard })
      t.match(finding.error, { code: 'ADDRESS_REFUSED' })
      t.equal(checks, 2)
      await Promise.all(closed)
      t.strictSame(received, [])
    }
  }
)

t.test('an endless body is cut off at the limit', async (t) => {
  const cutOff: Promise<unknown>[] = []
  const site = await startSite(t, (request, response) => {
    if (request.method === 'HEAD') return response.end()
    cutOff.push(once(response, 'close'))
    const more = () => {
      while (response.write(Buffer.alloc(16_384)));
    }
    response.on('drain', more)
    more()
  })
  const finding = await fetchUrl(site.url)
  t.match(finding, { status: 200, bytes: maxBodyBytes })
  t.notOk(finding.error)
  await Promise.all(cutOff)
  t.strictSame(site.requests, ['HEAD /', 'GET /'])
})

t.test('a body of told length is not read', async (t) => {
  const site = await startSite(t, (request, response) => {
    if (request.method === 'HEAD') return response.writeHead(405).end()
    response.writeHead(200, { 'content-length': 10 ** 12 }).flushHeaders()
  })
  t.match(await fetchUrl(site.url), { status: 200, bytes: 10 ** 12 })
})

t.test('a body that stops coming is a time-out, with what was answered before', async (t) => {
  const site = await startSite(t, (request, response) => {
    if (request.method === 'HEAD') return response.end()
    response.writeHead(200, { 'content-type': 'text/html' }).write('some')
  })
  const finding = await fetchUrl(site.url, { timeoutMs: 200 })
  t.match(finding, { status: 200, contentType: 'text/html', bytes: 4, error: { code: 'TIMEOUT' } })
})

t.test('a body that breaks off is reported', async (t) => {
  const site = await startSite(t, (request, response) => {
    if (request.method === 'HEAD') return response.end()
    response.write('some', () => response.destroy())
  })
  t.match(await fetchUrl(site.url), {
    status: 200,
    bytes: 4,
    error: { code: 'HTTP_INVALID', message: /EOF/ }
  })
})

t.test('slow headers are a time-out', async (t) => {
  const site = await startTcp(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n')
    const timer = setInterval(() => socket.write('x: y\r\n'), 20)
    socket.on('close', () => clearInterval(timer))
  })
  const finding = await fetchUrl(`http://${site.host}/`, { timeoutMs: 200 })
  t.match(finding, { status: null, error: { code: 'TIMEOUT' } })
  t.ok(finding.milliseconds >= 190 && finding.milliseconds < 10_000)
})

t.test('the time is for the whole link, redirects included', async (t) => {
  let answered = 0
  const site = await startSite(t, (request, response) => {
    setTimeout(() => {
      answered++
      response.writeHead(302, { location: `${request.url}x` }).end()
    }, 80)
  })
  t.match(await fetchUrl(site.url, { timeoutMs: 200 }), { status: null, error: { code: 'TIMEOUT' } })
  t.ok(answered <= 2, `${answered} answers`)
})

t.test('a name server that does not answer is a time-out', async (t) => {
  const guard = { ...allowOnly('127.0.0.1'), resolve: () => new Promise<never>(() => {}) }
  t.match(await fetchUrl('http://slow.test/', { guard, timeoutMs: 50 }), { error: { code: 'TIMEOUT' } })
})

t.test('what name servers answer is told apart', async (t) => {
  const codes = { ENOTFOUND: 'DNS_NOT_FOUND', EAI_AGAIN: 'DNS_FAILED' }
  for (const [code, expected] of Object.entries(codes)) {
    const resolve = async () => {
      throw Object.assign(new Error(`getaddrinfo ${code}`), { code })
    }
    const guard = { ...allowOnly('127.0.0.1'), resolve }
    t.match(await fetchUrl('http://gone.test/', { guard }), { error: { code: expected } })
  }
})

t.test('a port on which nobody listens is a refused connection', async (t) => {
  const { port, server } = await startSite(t, () => {})
  server.close()
  await once(server, 'close')
  t.match(await fetchUrl(`http://127.0.0.1:${port}/`), {
    status: null,
    error: { code: 'CONNECTION_REFUSED' }
  })
  server.listen(0)
  await once(server, 'listening')
})

t.test('a server that hangs up is a lost connection', async (t) => {
  const site = await startTcp(t, (socket) => socket.once('data', () => socket.end()))
  t.match(await fetchUrl(`http://${site.host}/`), { status: null, error: { code: 'CONNECTION_LOST' } })
})

const notHttp = {
  'what is not HTTP': 'SSH-2.0-OpenSSH_9.2\r\n',
  'headers without end': `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(200_000)}`,
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
  'a length that is none': 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'
}

for (const [what, text] of Object.entries(notHttp)) {
  t.test(`a server that answers with ${what} is no HTTP server`, async (t) => {
    const site = await startTcp(t, (socket) => socket.once('data', () => socket.write(text)))
    t.match(await fetchUrl(`http://${site.host}/`), { status: null, error: { code: 'HTTP_INVALID' } })
  })
}

t.test('a switch of protocols nobody asked for is reported', async (t) => {
  const site = await startTcp(t, (socket) =>
    socket.once('data', () =>
      socket.write('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n')
    )
  )
  t.match(await fetchUrl(`http://${site.host}/`), {
    status: null,
    error: { code: 'CONNECTION_LOST', message: /upgrade/ }
  })
})

t.test('a body that comes with the answer to a HEAD disturbs nothing', async (t) => {
  const site = await startTcp(t, (socket) =>
    socket.once('data', () =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 500 No\r\n\r\n')
    )
  )
  t.match(await fetchUrl(`http://${site.host}/`), { status: 200, bytes: 5 })
})

t.test('credentials go to the origin that they are for, and no further', async (t) => {
  const authorizations: (string | undefined)[] = []
  const other = await startSite(t, (request, response) => {
    authorizations.push(request.headers.authorization)
    response.writeHead(204).end()
  })
  const site = await startSite(t, (request, response) => {
    authorizations.push(request.headers.authorization)
    response.writeHead(302, { location: request.url === '/' ? '/again' : `${other.url}/x` }).end()
  })
  const finding = await fetchUrl(`http://me:p%40ss@127.0.0.1:${site.port}/`)
  const basic = `Basic ${Buffer.from('me:p@ss').toString('base64')}`
  t.strictSame(authorizations, [basic, basic, undefined])
  t.match(finding, { status: 204, finalUrl: `${other.url}/x` })
})

t.test('credentials are not shown', async (t) => {
  const site = await startSite(t, (_request, response) => response.writeHead(204).end())
  const finding = await fetchUrl(`http://me:secret@127.0.0.1:${site.port}/`)
  t.equal(finding.finalUrl, `${site.url}/`)
})

t.test('an abort ends a request at once, with its reason', async (t) => {
  const abort = new AbortController()
  const closed: Promise<unknown>[] = []
  const site = await startTcp(t, (socket) => {
    closed.push(once(socket, 'close'))
    socket.once('data', () => abort.abort(new Error('cancelled by the test')))
  })
  await t.rejects(fetchUrl(`http://${site.host}/`, { signal: abort.signal }), {
    message: 'cancelled by the test'
  })
  await Promise.all(closed)
  t.equal(site.seen.connections, 1)
})

t.test('requests to one host wait for each other, those of redirects too', async (t) => {
  const answers: (() => void)[] = []
  let wake = () => {}
  const site = await startSite(t, (_request, response) => {
    answers.push(() => response.writeHead(204).end())
    wake()
  })
  const asked = async (count: number) => {
    while (answers.length < count) await new Promise<void>((resolve) => (wake = resolve))
  }
  const redirected = async (host: string) => {
    const entrance = await startSite(
      t,
      (_request, response) => response.writeHead(302, { location: `${site.url}/from-${host}` }).end(),
      host
    )
    return entrance.url
  }
  const turns = new HostTurns()
  const signal = new AbortController().signal
  const fetchInTurn = (url: string) =>
    fetchLink(new URL(url), { guard: { isAllowed: () => true }, turns, timeoutMs: 30_000, signal })

  const direct = fetchInTurn(`${site.url}/direct`)
  await asked(1)
  const second = fetchInTurn(await redirected('127.0.0.2'))
  const third = fetchInTurn(await redirected('127.0.0.3'))
  // By the time that another link has been asked, so would have been these.
  const elsewhere = await startSite(t, (_request, response) => response.writeHead(404).end(), '127.0.0.4')
  await fetchInTurn(elsewhere.url)
  t.strictSame(site.requests, ['HEAD /direct'])

  for (let n = 0; n < 3; n++) {
    await asked(n + 1)
    t.equal(answers.length, n + 1)
    answers[n]?.()
  }
  for (const finding of await Promise.all([direct, second, third])) t.equal(finding.status, 204)
})

/** A site with a certificate that it has signed itself. */
async function startSelfSigned(t: Test) {
  const dir = t.testdir({})
  const files = { key: join(dir, 'key.pem'), cert: join(dir, 'cert.pem') }
  const subject = ['-subj', '/CN=self.test', '-addext', 'subjectAltName=IP:127.0.0.1']
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject]
  const made = spawnSync('openssl', [...args, '-keyout', files.key, '-out', files.cert], { encoding: 'utf8' })
  if (made.status !== 0) throw new Error(made.stderr)
  const requests: string[] = []
  const server = createServer(
    { key: readFileSync(files.key), cert: readFileSync(files.cert) },
    (request, response) => {
      requests.push(`${request.method} ${request.url}`)
      response.end()
    }
  ).on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { requests, port: (server.address() as AddressInfo).port }
}

t.test('a certificate that nobody vouches for is invalid', { skip: needsCommand('openssl') }, async (t) => {
  const site = await startSelfSigned(t)
  const finding = await fetchUrl(`https://127.0.0.1:${site.port}/`)
  t.match(finding, { status: null, error: { code: 'TLS_INVALID', message: /self-signed certificate/ } })
  t.strictSame(site.requests, [])
})

t.test('a server that speaks no TLS is not asked over it', async (t) => {
  const site = await startSite(t, (_request, response) => response.end())
  const finding = await fetchUrl(`https://127.0.0.1:${site.port}/`)
  t.match(finding, { status: null, error: { code: 'TLS_INVALID' } })
  t.strictSame(site.requests, [])
})

t.test('a TLS handshake that breaks off is a lost connection, one that stops is a time-out', async (t) => {
  const hangsUp = await startTcp(t, (socket) => socket.once('data', () => socket.end()))
  t.match(await fetchUrl(`https://${hangsUp.host}/`), { error: { code: 'CONNECTION_LOST' } })
  const closed: Promise<unknown>[] = []
  const silent = await startTcp(t, (socket) => {
    socket.resume()
    closed.push(once(socket, 'close'))
  })
  t.match(await fetchUrl(`https://${silent.host}/`, { timeoutMs: 200 }), { error: { code: 'TIMEOUT' } })
  await Promise.all(closed)
})
