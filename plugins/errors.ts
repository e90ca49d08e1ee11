import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { type ErrorCode, TaskError } from '../src/errors.ts'

/** Every error of the core and its HTTP status; a new code does not compile until it has one. */
export const statusCodes: Record<ErrorCode, number> = {
  FST_ERR_VALIDATION: 400,
  TASK_TYPE_UNKNOWN: 400,
  CURSOR_INVALID: 400,
  FILTER_EMPTY: 400,
  TASK_NOT_FOUND: 404,
  TASK_ALREADY_FINISHED: 409,
  TASK_NOT_FINISHED: 409,
  SHUTTING_DOWN: 409,
  ATTEMPT_LOST: 409,
  IDEMPOTENCY_KEY_REUSED: 422,
  TASK_QUEUE_FULL: 429,
  SERVICE_DRAINING: 503,
  STORE_UNAVAILABLE: 503
}

// Long enough not to hammer an unhealthy service, short enough to find the pod that replaces it.
const retryAfterSeconds = 2

const unsupportedBody = 'Bodies are JSON: send one with the header Content-Type: application/json'

async function errorsPlugin(app: FastifyInstance) {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof TaskError)
      return sendError(reply, statusCodes[error.code], error.code, error.message)
    const statusCode = error.statusCode ?? 500
    if (statusCode >= 400 && statusCode < 500) {
      if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
      const message = error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE' ? unsupportedBody : error.message
      return sendError(reply, statusCode, error.code ?? 'BAD_REQUEST', message)
    }
    // A bug: the client learns nothing, the log everything.
    request.log.error({ err: error }, 'request failed')
    return sendError(reply, 500, 'INTERNAL_ERROR', 'Something went wrong')
  })

  app.setNotFoundHandler(notFound)
}

export function notFound(request: FastifyRequest, reply: FastifyReply) {
  const message = `No route for ${request.method} ${request.url.slice(0, 200)}`
  return sendError(reply, 404, 'ROUTE_NOT_FOUND', message)
}

function sendError(reply: FastifyReply, statusCode: number, code: string, message: string) {
  if (statusCode === 429 || statusCode === 503) reply.header('retry-after', retryAfterSeconds)
  return reply.code(statusCode).send(errorBody(statusCode, code, message))
}

function errorBody(statusCode: number, code: string, message: string) {
  return { statusCode, code, error: STATUS_CODES[statusCode] ?? 'Error', message }
}

/** Answers malformed HTTP and headers that are too large in the same shape; Fastify's option of that name. */
export function clientErrorHandler(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const statusCode =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
  const body = JSON.stringify(errorBody(statusCode, error.code ?? 'BAD_REQUEST', error.message))
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
    )
  }
  socket.destroy()
}

/** Fastify's option of that name: errors before routing, such as a malformed URL. */
export function frameworkErrors(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id)
  sendError(reply, error.statusCode ?? 400, error.code, error.message)
}

export default fp(errorsPlugin, { name: 'errors', fastify: '5.x' })
