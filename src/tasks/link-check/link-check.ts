import { Type } from '@sinclair/typebox'
import { defineTask, type TaskContext } from '../../task-type.ts'
import type { Guard } from './connector.ts'
import type { State } from './findings.ts'

const Input = Type.Object(
  {
    urls: Type.Array(Type.String({ pattern: '^https?://', maxLength: 2048 }), {
      minItems: 1,
      maxItems: 5000,
      description: 'What to ask for; an address that is there twice is asked once.'
    }),
    concurrency: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 16,
        default: 4,
        description: 'How many links are asked at once; never two of the same host.'
      })
    ),
    timeoutSeconds: Type.Optional(
      Type.Number({
        minimum: 0.1,
        maximum: 60,
        default: 10,
        description: 'What one link may take, redirects included.'
      })
    )
  },
  { additionalProperties: false }
)

/** The task type, for the addresses that the guard lets through. */
export function linkCheck(guard: Guard) {
  return defineTask({
    type: 'link-check',
    description:
      'Asks for a list of links and tells for each its status, final address, content type, size and time.',
    input: Input,
    isolation: 'inline',
    onShutdown: 'requeue',
    onLost: 'requeue',
    // Enough for the largest input even if every link is on the same host and takes the default time.
    timeoutSeconds: 86_400,
    // Only a store that cannot be written makes it throw: it goes on from its last checkpoint when that is over.
    attempts: 5,
    backoffSeconds: 10,
    async run({ urls, concurrency = 4, timeoutSeconds = 10 }, ctx: TaskContext<State>) {
      // Loaded when it is needed: the HTTP client would slow every start down.
      const { checkLinks } = await import('./check-links.ts')
      return checkLinks({ urls, concurrency, timeoutMs: timeoutSeconds * 1000, guard }, ctx)
    }
  })
}
