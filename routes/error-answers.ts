import { Type } from '@sinclair/typebox'

/** The body of every error answer. */
const ErrorAnswer = {
  statusCode: Type.Integer(),
  error: Type.String({ description: 'The name of the status.' }),
  message: Type.String({ description: 'For people.' })
}

/** Error answers by status, each with its possible codes. */
export function errors(codes: Record<number, readonly string[]>) {
  return Object.fromEntries(
    Object.entries(codes).map(([statusCode, names]) => [
      statusCode,
      Type.Object(
        { ...ErrorAnswer, code: Type.Unsafe<string>({ type: 'string', enum: names }) },
        { description: names.map((name) => `\`${name}\``).join(', ') }
      )
    ])
  )
}

const noToken = [
  'FST_BEARER_AUTH_MISSING_AUTHORIZATION_HEADER',
  'FST_BEARER_AUTH_INVALID_AUTHORIZATION_HEADER'
]
const invalid = ['FST_ERR_VALIDATION', 'FST_ERR_BAD_URL']
const badBody = ['FST_ERR_CTP_INVALID_JSON_BODY', 'FST_ERR_CTP_INVALID_CONTENT_LENGTH', 'INPUT_TOO_DEEP']

type Codes = Record<number, readonly string[]>

/** The error answers of a route that reads a query or parameters, and its own. */
export function readErrors(codes: Codes = {}) {
  return errors(merge({ 400: invalid, 500: ['INTERNAL_ERROR'] }, codes))
}

/** The same for a route that takes a body, or would parse one if it was sent. */
export function writeErrors(codes: Codes = {}) {
  const body = {
    400: badBody,
    413: ['FST_ERR_CTP_BODY_TOO_LARGE'],
    415: ['FST_ERR_CTP_INVALID_MEDIA_TYPE']
  }
  return readErrors(merge(body, codes))
}

/** Of every route of the API. */
export const ofApi: Codes = { 401: noToken, 503: ['STORE_UNAVAILABLE'] }
/** Of routes that start tasks. */
export const ofStart: Codes = {
  400: ['TASK_TYPE_UNKNOWN'],
  422: ['IDEMPOTENCY_KEY_REUSED'],
  429: ['TASK_QUEUE_FULL'],
  503: ['SERVICE_DRAINING']
}
/** Of `/admin`. */
export const ofAdmin: Codes = { 401: noToken, 403: ['ADMIN_DISABLED'] }

export function merge(...all: Codes[]): Codes {
  const merged: Record<number, string[]> = {}
  for (const codes of all)
    for (const [status, names] of Object.entries(codes))
      merged[Number(status)] = [...(merged[Number(status)] ?? []), ...names]
  return merged
}
