import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'

/** Listens until the test ends; counts connections. */
async function listen(t: Test, server: Server, host: string) {
  const sockets = new Set<Socket>()
  const seen = { connections: 0 }
  server.on('connection', (socket) => {
    seen.connections++
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  server.listen(0, host)
  await once(server, 'listening')
  t.teardown(async () => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  })
  const { port } = server.address() as AddressInfo
  return { seen, port, host: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}` }
}

/** A web site that remembers what it was asked for. */
export async function startSite(t: Test, listener: RequestListener, host = '127.0.0.1') {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    listener(request, response)
  })
  const listening = await listen(t, server, host)
  return { ...listening, server, requests, url: `http://${listening.host}` }
}

/** A site of another kind: whatever it does with a connection. */
export async function startTcp(t: Test, onConnection: (socket: Socket) => void, host = '127.0.0.1') {
  return listen(t, createTcpServer(onConnection), host)
}

/** Lets one address through, in this notation. */
export const allowOnly = (allowed: string) => ({ isAllowed: (address: string) => address === allowed })
