import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import { defineTask } from '../../task-type.ts'

const maxSteps = 1000
const stepsPerSecond = 4

interface Counted {
  steps: number
  hasFailed: boolean
}

const Input = Type.Object(
  {
    seconds: Type.Number({ minimum: 1, maximum: 3600, default: 30, description: 'How long it takes.' }),
    steps: Type.Optional(
      Type.Integer({ minimum: 1, maximum: maxSteps, description: 'Four a second unless given.' })
    ),
    failAt: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        description: 'Part of the way after which it throws, once; its second attempt goes on from there.'
      })
    )
  },
  { additionalProperties: false }
)

/** For trying out streams, drains and kills: it counts its steps and does nothing else. */
export default defineTask<typeof Input, Counted>({
  type: 'demo',
  description:
    'Counts its steps, with a checkpoint after each: stop the service in the middle and see it go on.',
  input: Input,
  output: Type.Object({
    steps: Type.Integer(),
    attempts: Type.Integer({ description: 'How many it took, interruptions included.' })
  }),
  onShutdown: 'requeue',
  onLost: 'requeue',
  attempts: 2,
  timeoutSeconds: 3700,

  async run({ seconds, steps = Math.min(maxSteps, Math.round(seconds * stepsPerSecond)), failAt }, ctx) {
    const counted = ctx.restored ?? { steps: 0, hasFailed: false }
    while (counted.steps < steps) {
      await sleep((seconds * 1000) / steps, undefined, { signal: ctx.signal })
      counted.steps++
      ctx.progress(counted.steps / steps, `step ${counted.steps} of ${steps}`)
      const fails = failAt !== undefined && !counted.hasFailed && counted.steps >= failAt * steps
      if (fails) counted.hasFailed = true
      await ctx.checkpoint(counted)
      if (fails) throw Object.assign(new Error('As the input asked for'), { code: 'DEMO_FAILED' })
    }
    return { steps, attempts: ctx.attempt }
  }
})
