import { StartError } from './errors.ts'

interface SystemError extends Error {
  code: string
  syscall: string
  address?: string
  port?: number
}

const isListenError = (error: unknown): error is SystemError =>
  error instanceof Error &&
  'syscall' in error &&
  (error.syscall === 'listen' || error.syscall === 'getaddrinfo')

/** What went wrong, in one line, if the operator can fix it; undefined for a bug. */
export function explainStartError(error: unknown): string | undefined {
  if (error instanceof StartError) return error.message
  if (!isListenError(error)) return undefined
  const { code, address, port } = error
  if (code === 'EADDRINUSE') return `PORT=${port}: the port is in use on ${address} (${code})`
  if (code === 'EACCES') return `PORT=${port}: this user must not listen on that port (${code})`
  return `HOST: cannot listen there: ${error.message}`
}
