import { access } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

export default {
  type: 'ticker',
  description: 'Once a file is there, reports progress as often as it may.',
  input: {},
  isolation: 'inline',
  async run({ gate, ticks, everyMs = 50 }, { progress }) {
    while (!(await isThere(gate))) await sleep(20)
    for (let n = 1; n <= ticks; n++) {
      progress(n / ticks, `tick ${n}`)
      await sleep(everyMs)
    }
    return { ticks }
  }
}

const isThere = (file) =>
  access(file).then(
    () => true,
    () => false
  )
