import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export default {
  type: 'stepper',
  description: 'Does steps, each once, in whatever process; notes each in a file if there is one.',
  input: {},
  isolation: 'inline',
  onShutdown: 'requeue',
  onLost: 'requeue',
  async run({ notes, steps, stepMs = 20 }, { checkpoint, progress, restored = 0, signal }) {
    for (let step = restored + 1; step <= steps; step++) {
      await sleep(stepMs, undefined, { signal })
      if (notes) appendFileSync(notes, `${step} `)
      await checkpoint(step)
      progress(step / steps, String(step))
    }
    return steps
  }
}
