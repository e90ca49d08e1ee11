import { readFileSync } from 'node:fs'
import t from 'tap'
import { Tickets } from '../src/tickets.ts'
import { heldTask, startApp, urlOf } from './helper.ts'

const text = readFileSync(new URL('../SECURITY.md', import.meta.url), 'utf8')
const [, table = ''] = /<!-- access -->\n(.*?)\n<!-- \/access -->/s.exec(text) ?? []
const [header = [], , ...rows] = table.split('\n').map((line) =>
  line
    .slice(2, -2)
    .split(' | ')
    .map((cell) => cell.replaceAll('`', ''))
)
const [, ...columns] = header

const env = {
  API_TOKENS: 'api-token',
  ADMIN_TOKEN: 'admin-token',
  TICKET_SECRET: 'ticket-secret',
  CORS_ORIGINS: 'https://shop.example'
}

/** What a page's request under CORS says of itself. */
const from = (origin: string, path: string) => ({
  origin,
  authorization: `Bearer ${path.startsWith('/admin') ? 'admin-token' : 'api-token'}`
})

t.test('each cell of the table of SECURITY.md is what the service answers', async (t) => {
  const held = heldTask()
  const app = await startApp(t, { env, types: [held.type] })
  const start = async () => {
    const headers = { authorization: 'Bearer api-token' }
    const payload = { type: 'held', input: {} }
    const { taskId } = (await app.inject({ method: 'POST', url: '/api/tasks', headers, payload })).json()
    return String(taskId)
  }
  const ticketOf = (taskId: string) => app.streamAddress(taskId).streamUrl.replace(/.*\?/, '')
  const other = await start()
  const expiredTickets = new Tickets(Buffer.from(env.TICKET_SECRET), -1)

  /** The request of a cell: what it carries in its headers and in its query. */
  const requests: Record<string, (taskId: string, path: string) => { headers?: object; query?: string }> = {
    'no token': () => ({}),
    'wrong token': () => ({ headers: { authorization: 'Bearer wrong' } }),
    'API token': () => ({ headers: { authorization: 'Bearer api-token' } }),
    'admin token': () => ({ headers: { authorization: 'Bearer admin-token' } }),
    ticket: (taskId) => ({ query: ticketOf(taskId) }),
    "another's": () => ({ query: ticketOf(other) }),
    expired: (taskId) => ({ query: `ticket=${expiredTickets.issue(taskId).ticket}` }),
    origin: (_, path) => ({ headers: from('https://shop.example', path) }),
    'other origin': (_, path) => ({ headers: from('https://evil.example', path) })
  }
  t.strictSame(columns, Object.keys(requests))

  for (const [route = '', ...cells] of rows) {
    const [method = '', path = ''] = route.split(' ')
    for (const [index, expected] of cells.entries()) {
      const column = columns[index] ?? ''
      const taskId = await start()
      const { headers = {}, query = '' } = requests[column]?.(taskId, path) ?? {}
      const address = path
        .replace(':taskId', taskId)
        .replace('/docs/*', '/docs/static/index.css')
        .replace('/ui/*', '/ui/index.html')
      const body = method === 'POST' && !/:taskId|drain/.test(path) ? '{}' : null
      const leave = new AbortController()
      const response = await fetch(`${urlOf(app)}${address}?${query}`, {
        method,
        body,
        headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
        redirect: 'manual',
        signal: leave.signal
      })
      const seen = column.endsWith('origin')
        ? response.headers.has('access-control-allow-origin')
          ? 'yes'
          : 'no'
        : [401, 403].includes(response.status)
          ? String(response.status)
          : 'yes'
      t.equal(seen, expected, `${route}, ${column}: ${response.status}`)
      t.not(response.status, 404, `${route} exists`)
      t.ok(response.status < 500 || /readyz/.test(path), `${route}, ${column}: ${response.status}`)
      leave.abort()
      if (method === 'POST' && path === '/admin/drain') app.shutdown.setDraining(false)
    }
  }
})

t.test('the table of SECURITY.md has every route', async (t) => {
  const app = await startApp(t, { env })
  const known = new Set(rows.map(([route]) => route))

  const missing: string[] = []
  // A line for each part of a path: `├── api/tasks (POST, GET)`; the parts before it are further left.
  const path: string[] = []
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent = '', part = '', methods = ''] = /^([│ ]*[├└]── )(\S*) ?(?:\(([^)]*)\))?/.exec(line) ?? []
    if (indent === '') continue
    const depth = indent.length / 4
    path.length = depth - 1
    path.push(part)
    const url = path.join('').replace(/([^/])\*$/, '$1/*') || '/'
    for (const method of methods.split(', ').filter((method) => /^(GET|POST|DELETE|PUT|PATCH)$/.test(method)))
      if (!known.has(`${method} ${url}`)) missing.push(`${method} ${url}`)
  }
  t.strictSame(missing, [])
  t.ok(known.size > 20)
})
