import { Type } from '@sinclair/typebox'

const ErrorAnswer = Type.Object(
  {
    statusCode: Type.Integer(),
    code: Type.String({ description: 'Stable; see docs/errors.md.' }),
    error: Type.String(),
    message: Type.String()
  },
  { title: 'Error' }
)

export function errors(...statusCodes: number[]) {
  return Object.fromEntries(statusCodes.map((statusCode) => [statusCode, ErrorAnswer]))
}
