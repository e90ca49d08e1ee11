import { promises as dns, type LookupAddress } from 'node:dns'
import { isIP, type Socket } from 'node:net'
import { buildConnector } from 'undici'
import type { AddressCheck } from './address.ts'
import { LinkError } from './link-error.ts'

/** Which addresses may be reached, and how names become addresses. */
export interface Guard {
  isAllowed: AddressCheck
  resolve?: (hostname: string) => Promise<LookupAddress[]>
}

type Options = Parameters<buildConnector.connector>[0]

/**
 * Connects to allowed addresses only: a name is resolved once per connection, what it resolves to is checked, only that
 * is connected to, and the socket's own peer address is checked before a byte is written. An aborted signal ends its
 * sockets, in whatever state.
 */
export function guardedConnector(guard: Guard, signal: AbortSignal): buildConnector.connector {
  return (options, callback) => {
    open(options, guard, signal).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null)
    )
  }
}

async function open(options: Options, guard: Guard, signal: AbortSignal): Promise<Socket> {
  const { hostname, protocol } = options
  const addresses = await allowedAddresses(hostname, guard, signal)
  const port = options.port || (protocol === 'https:' ? '443' : '80')
  const tcp = buildConnector({
    timeout: 0,
    signal,
    autoSelectFamily: true,
    lookup: (_hostname, _options, done) => done(null, addresses)
  })
  const socket = await connect(tcp, { ...options, protocol: 'http:', port })
  if (!guard.isAllowed(socket.remoteAddress ?? '')) {
    socket.destroy()
    throw refused(hostname)
  }
  if (protocol === 'http:') return socket

  // No cached sessions: a resumed one skips the check of the certificate's name.
  const tls = buildConnector({ timeout: 0, signal, maxCachedSessions: 0, rejectUnauthorized: true })
  try {
    return await connect(tls, { ...options, port, httpSocket: socket })
  } catch (error) {
    socket.destroy()
    const { code, message } = error as NodeJS.ErrnoException
    throw signal.aborted || code === 'ECONNRESET' ? error : new LinkError('TLS_INVALID', message)
  }
}

async function allowedAddresses(
  hostname: string,
  { isAllowed, resolve = lookUp }: Guard,
  signal: AbortSignal
) {
  const family = isIP(hostname)
  const found =
    family === 0 ? await unlessAborted(resolve(hostname), signal) : [{ address: hostname, family }]
  const allowed = found.filter(({ address }) => isAllowed(address))
  if (allowed.length === 0) throw refused(hostname)
  return allowed
}

function lookUp(hostname: string) {
  return dns.lookup(hostname, { all: true })
}

/** A name lookup cannot be aborted, but need not be waited for. */
function unlessAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    promise.then(resolve, reject)
  })
}

// Without the address: what private names resolve to is nobody's business.
function refused(hostname: string) {
  return new LinkError('ADDRESS_REFUSED', `${hostname} leads to an address that may not be reached`)
}

function connect(connector: buildConnector.connector, options: Options): Promise<Socket> {
  return new Promise((resolve, reject) => {
    connector(options, (error, socket) => (error ? reject(error) : resolve(socket as Socket)))
  })
}
