import { access } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const exists = (path) =>
  access(path).then(
    () => true,
    () => false
  )

export default {
  type: 'gated',
  description: 'Runs until the test opens its gate, which is a file.',
  input: {},
  isolation: 'inline',
  async run({ gate }, { signal }) {
    while (!(await exists(gate))) await sleep(10, undefined, { signal })
    signal.throwIfAborted()
    return 'through'
  }
}
